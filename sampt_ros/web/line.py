"""Adapts the pictures to the speed of a viewer's connection."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_AHEAD = 2  # Number of pictures that may be in flight: one that is being drawn, and one on its way.
_TOO_LONG = 0.3  # Seconds: if a picture takes longer, clicks on it come too late.
_PATIENCE = 2  # The connection is slow after this many pictures in a row that took too long.
_WELL = 0.2  # Seconds: a slow connection is fast again if a picture of full size takes no longer.
_PROBE = 5.0  # Seconds between two pictures of full size on a slow connection.


class Line:
    """Knows which pictures are in flight to a viewer, and whether smaller ones should be sent.

    The time of a picture runs from when it was sent, or from when the one before it was drawn if that was later, until
    it is drawn. If pictures take long, small ones are sent; now and then, one of full size among them shows whether the
    connection has become faster.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: returns seconds from any fixed time on."""
        self._clock = clock
        self._in_flight: deque[tuple[int, float, bool]] = deque()  # Number, when it was sent, whether it is small.
        self._is_slow = False
        self._long = 0  # Number of pictures in a row that took too long.
        self._last_drawn = self._last_probe = -_PROBE

    @property
    def is_full(self) -> bool:
        """Whether no more pictures should be sent for now."""
        return len(self._in_flight) >= _AHEAD

    @property
    def wants_small(self) -> bool:
        """Whether the next picture should be a small one."""
        return self._is_slow and self._clock() - self._last_probe < _PROBE

    def sent(self, number: int, small: bool) -> None:
        """Note that a picture was sent."""
        now = self._clock()
        self._in_flight.append((number, now, small))
        if not small:
            self._last_probe = now

    def drawn(self, number: int) -> None:
        """Note that all pictures up to this number were drawn, or skipped for newer ones."""
        while self._in_flight and self._in_flight[0][0] <= number:
            _, sent, small = self._in_flight.popleft()
            now = self._clock()
            self._learn(now - max(sent, self._last_drawn), small)
            self._last_drawn = now

    def _learn(self, seconds: float, small: bool) -> None:
        if small:
            return
        self._long = self._long + 1 if seconds > _TOO_LONG else 0
        if self._is_slow:
            self._is_slow = seconds > _WELL
        else:
            self._is_slow = self._long >= _PATIENCE
