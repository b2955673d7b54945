"""Warnings about a stream, in which the same thing goes wrong a thousand times."""

from __future__ import annotations

import logging
import re

_NUMBERS = re.compile(r"-?\d+(\.\d+)?")


class ToldOnce:
    """Logs a warning unless one like it, but for its numbers, was logged before."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._told: set[str] = set()

    def warn(self, text: str) -> None:
        """Tell it, the first time."""
        kind = _NUMBERS.sub("#", text)
        if kind not in self._told:
            self._told.add(kind)
            self._log.warning("%s (told once)", text)
