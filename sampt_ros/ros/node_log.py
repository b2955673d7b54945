"""The log of a node for a stream, in which the same thing may go wrong with every frame."""

from __future__ import annotations

import time
from typing import Any

from sampt_ros.utils.log_once import kind_of

_PERIOD = 5.0  # seconds between two messages of one kind


class NodeLog:
    """Passes everything on to a node's logger; each kind of what may repeat has a throttle of its own."""

    def __init__(self, node: Any) -> None:
        self._logger = node.get_logger()
        self._context = node.context
        self._told: dict[str, float] = {}

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
        """A fault with its trace, which may come again with every frame."""
        if self._context_is_alive() and self._is_due(message):
            self._logger.error(message)

    def repeated(self, message: str) -> None:
        """A warning that may come again with every frame."""
        if self._context_is_alive() and self._is_due(message):
            self._logger.warning(message)

    def _is_due(self, message: str) -> bool:
        """Whether none of this kind was told of late; if so, it counts as told now."""
        kind, now = kind_of(message), time.monotonic()
        if now - self._told.get(kind, -_PERIOD) < _PERIOD:
            return False
        self._told[kind] = now
        return True

    def _context_is_alive(self) -> bool:
        """What fails while the process is being stopped is nobody's concern."""
        return bool(self._context.ok())
