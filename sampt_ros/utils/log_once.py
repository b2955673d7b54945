"""A log for streams, in which the same problem may recur with every frame."""

from __future__ import annotations

import logging
import re

_NUMBERS = re.compile(r"-?\d+(\.\d+)?")


def kind_of(message: str) -> str:
    """A key shared by messages that differ only in numbers, or only in the middle of a traceback."""
    lines = message.strip().splitlines() or [""]
    return _NUMBERS.sub("#", f"{lines[0]}\n{lines[-1]}")


class LogOnce:
    """Passes messages on to a logger; of those that may recur, only the first of each kind."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._logged: set[str] = set()

    def debug(self, message: str) -> None:
        self._logger.debug("%s", message)

    def info(self, message: str) -> None:
        self._logger.info("%s", message)

    def warning(self, message: str) -> None:
        self._logger.warning("%s", message)

    def error(self, message: str) -> None:
        """Log a fault with its traceback, which may recur with every frame."""
        self._once(logging.ERROR, message)

    def repeated(self, message: str) -> None:
        """Log a warning that may recur with every frame."""
        self._once(logging.WARNING, message)

    def _once(self, level: int, message: str) -> None:
        kind = kind_of(message)
        if kind not in self._logged:
            self._logged.add(kind)
            self._logger.log(level, "%s (logged once)", message)
