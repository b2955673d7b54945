"""The log of a node, for a stream in which the same problem may recur with every frame."""

from __future__ import annotations

import time
from typing import Any

from sampt_ros.utils.log_once import kind_of

_PERIOD = 5.0  # shortest time in seconds between two messages of one kind


class NodeLog:
    """Passes messages on to a node's logger; those that may recur are throttled, each kind separately."""

    def __init__(self, node: Any) -> None:
        self._logger = node.get_logger()
        self._context = node.context
        self._logged: dict[str, float] = {}  # when each kind of message was last logged

    def debug(self, message: str) -> None:
        if self._context_is_alive():
            self._logger.debug(message)

    def info(self, message: str) -> None:
        if self._context_is_alive():
            self._logger.info(message)

    def warning(self, message: str) -> None:
        if self._context_is_alive():
            self._logger.warning(message)

    def error(self, message: str) -> None:
        """Log a fault with its traceback, which may recur with every frame."""
        if self._context_is_alive() and self._is_due(message):
            self._logger.error(message)

    def repeated(self, message: str) -> None:
        """Log a warning that may recur with every frame."""
        if self._context_is_alive() and self._is_due(message):
            self._logger.warning(message)

    def _is_due(self, message: str) -> bool:
        """Whether no message of this kind was logged recently; if so, this one counts as logged now."""
        kind, now = kind_of(message), time.monotonic()
        if now - self._logged.get(kind, -_PERIOD) < _PERIOD:
            return False
        self._logged[kind] = now
        return True

    def _context_is_alive(self) -> bool:
        """Whether ROS is running: failures while it shuts down are not worth logging."""
        return bool(self._context.ok())
