"""How much a viewer's connection can take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_AHEAD = 2  # Pictures that may be on their way: one that is drawn, one that travels.
_TOO_LONG = 0.3  # Seconds for a picture that are too many: a click would come too late.
_PATIENCE = 2  # Pictures in a row that may take so long.
_WELL = 0.2  # Seconds for a picture that are few enough.
_PROBE = 5.0  # Seconds until it is tried whether a slow line has become faster.


class Line:
    """Knows which pictures are on their way to a viewer, and whether smaller ones would be better.

    A picture takes from when it was sent, or from when the one before it was drawn, until it is drawn. Where they take
    long, small ones follow; now and then one of full size among them shows whether the line has become faster.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self._clock = clock
        self._under_way: deque[tuple[int, float, bool]] = deque()  # Number, when it was sent, whether it is small.
        self._is_slow = False
        self._long = 0  # Pictures in a row that took too long.
        self._last_drawn = self._last_probe = -_PROBE

    @property
    def is_full(self) -> bool:
        """Whether no more pictures are to be sent for now."""
        return len(self._under_way) >= _AHEAD

    @property
    def wants_small(self) -> bool:
        """Whether the next picture is to be a small one."""
        return self._is_slow and self._clock() - self._last_probe < _PROBE

    def sent(self, number: int, small: bool) -> None:
        """A picture was sent."""
        now = self._clock()
        self._under_way.append((number, now, small))
        if not small:
            self._last_probe = now

    def drawn(self, number: int) -> None:
        """All pictures up to this number were drawn, or left out for newer ones."""
        while self._under_way and self._under_way[0][0] <= number:
            _, sent, small = self._under_way.popleft()
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
