"""A log for streams, in which the same thing may go wrong a thousand times."""

from __future__ import annotations

import logging
import re

_NUMBERS = re.compile(r"-?\d+(\.\d+)?")


def kind_of(message: str) -> str:
    """The same for messages that differ in their numbers alone, or in the middle of a trace."""
    lines = message.strip().splitlines() or [""]
    return _NUMBERS.sub("#", f"{lines[0]}\n{lines[-1]}")


class LogOnce:
    """Passes everything on to a logger; what may repeat is told the first time that one of its kind comes."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told: set[str] = set()

    def debug(self, message: str) -> None:
        self._logger.debug("%s", message)

    def info(self, message: str) -> None:
        self._logger.info("%s", message)

    def warning(self, message: str) -> None:
        self._logger.warning("%s", message)

    def error(self, message: str) -> None:
        """A fault with its trace, which may come again with every frame."""
        self._once(logging.ERROR, message)

    def repeated(self, message: str) -> None:
        """A warning that may come again with every frame."""
        self._once(logging.WARNING, message)

    def _once(self, level: int, message: str) -> None:
        kind = kind_of(message)
        if kind not in self._told:
            self._told.add(kind)
            self._logger.log(level, "%s (told once)", message)
