"""Whether frames take longer than the camera's period, and what follows: less effort step by step, and more again."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

_PERIODS = 30  # The camera's period is measured over so many images.
_WINDOW = 12  # Frames that must have been worked on since the last step before the effort is lowered.
_NEIGHBOURS = 3  # Neighbouring frames whose mean counts.
_CALM = 60  # It is raised after so many frames in a row ...
_ROOM = 0.85  # ... at which the load would have been at most this with more effort.


class LoadControl:
    """Chooses the step of effort from how long frames take and how often the camera sends one.

    One step less effort where frames take longer than the camera's period. One step more where they would still fit
    then, which is known from how much that step saved when it was taken. Means of three neighbouring frames are looked
    at, as the network may leave out every second or third one, and their median, so that a single long frame changes
    nothing.

    step        0 is the full effort, n the n-th lesser one
    frame_time  seconds that the last frames took, when that was last known, or None
    """

    def __init__(self) -> None:
        self.step = 0
        self.frame_time: float | None = None
        self._arrivals: deque[float] = deque(maxlen=_PERIODS + 1)
        self._spent: deque[float] = deque(maxlen=_WINDOW)  # on the last frames since the last step
        self._gains: dict[int, float] = {}  # by step: the load before it was taken, as a multiple of that after it
        self._load_before = 0.0  # the last step down; 0 once its gain is known
        self._calm = 0  # frames in a row with time for more effort

    def arrived(self, time: float) -> None:
        """The next image came in at this time, in seconds, whether it will be worked on or not."""
        self._arrivals.append(time)

    @property
    def period(self) -> float | None:
        """Seconds between two images of the camera; None before they are known."""
        between = [after - before for before, after in pairwise(self._arrivals)]
        return float(np.median(between)) if between else None

    @property
    def load(self) -> float | None:
        """What frames take as a multiple of the camera's period; None where one of them is not known."""
        period = self.period
        return self.frame_time / period if self.frame_time is not None and period else None

    def __str__(self) -> str:
        """Both times, for people."""
        if self.frame_time is None or self.period is None:
            return "not measured yet"
        took, period = 1000 * self.frame_time, 1000 * self.period
        return f"frames take {took:.1f} ms, and the camera sends one every {period:.1f} ms"

    def worked(self, spent: float, steps: int) -> int:
        """Take in how many seconds the newest frame took; returns the step from now on, of 0 .. `steps` - 1."""
        self._spent.append(spent)
        if self.step >= steps:
            self._go(steps - 1)
        if len(self._spent) < _WINDOW:
            return self.step
        means = np.convolve(self._spent, np.full(_NEIGHBOURS, 1 / _NEIGHBOURS), "valid")
        self.frame_time = float(np.median(means))
        load = self.load
        if load is not None:
            self._choose(load, steps)
        return self.step

    def _choose(self, load: float, steps: int) -> None:
        if self._load_before:
            self._gains[self.step] = max(1.0, self._load_before / load) if load else 1.0
            self._load_before = 0.0
        has_room = self.step > 0 and load * self._gains.get(self.step, 1.0) <= _ROOM
        self._calm = self._calm + 1 if has_room else 0
        if load > 1 and self.step + 1 < steps:
            self._go(self.step + 1)
            self._load_before = load
        elif self._calm == _CALM:
            self._go(self.step - 1)

    def _go(self, step: int) -> None:
        self.step = step
        self._spent.clear()
        self._load_before, self._calm = 0.0, 0
