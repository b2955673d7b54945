"""Load control: spends less effort on each frame while frames take longer than the camera's period."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

import numpy as np

_PERIODS = 30  # Number of images over which the camera's period is measured.
_WINDOW = 12  # Frames processed since the last change before the effort may be lowered.
_NEIGHBOURS = 3  # Frame times are averaged over this many neighbouring frames.
_FRAMES_WITH_ROOM = 60  # The effort is raised after this many frames in a row ...
_MAX_LOAD = 0.85  # ... whose load would have been at most this with more effort.
# No step saves more than two of three network runs. If frames got faster than that, the machine has become free.
_MAX_GAIN = 3.0


class LoadControl:
    """Chooses the level of effort from the time per frame and the camera's period.

    The effort is lowered by one step while frames take longer than the camera's period. It is raised by one step when
    frames would still fit, judged by how much time that step saved when it was taken. Frame times are averaged over
    three neighbouring frames, because the network may skip every second or third one; of these means the median
    counts, so that a single slow frame changes nothing.

    step        0 is the full effort, n the n-th reduced one
    frame_time  latest measured seconds per frame, or None before the first measurement
    """

    def __init__(self) -> None:
        self.step = 0
        self.frame_time: float | None = None
        self._arrivals: deque[float] = deque(maxlen=_PERIODS + 1)
        self._spent: deque[float] = deque(maxlen=_WINDOW)  # seconds per frame since the last change
        # By step: the time per frame before it was taken, as a multiple of that after.
        self._gains: dict[int, float] = {}
        self._time_before = 0.0  # seconds per frame before the last step down; 0 once its gain is known
        self._with_room = 0  # frames in a row with time for more effort

    def image_arrived(self, time: float) -> None:
        """Record the arrival time, in seconds, of an image, whether or not it will be processed."""
        self._arrivals.append(time)

    @property
    def period(self) -> float | None:
        """Median seconds between two images of the camera; None before the second image."""
        between = [after - before for before, after in pairwise(self._arrivals)]
        return float(np.median(between)) if between else None

    @property
    def load(self) -> float | None:
        """Time per frame as a multiple of the camera's period; None while either is unknown."""
        period = self.period
        return self.frame_time / period if self.frame_time is not None and period else None

    def __str__(self) -> str:
        """Both times in words."""
        if self.frame_time is None or self.period is None:
            return "not measured yet"
        took, period = 1000 * self.frame_time, 1000 * self.period
        return f"frames take {took:.1f} ms, and the camera sends one every {period:.1f} ms"

    def frame_done(self, spent: float, steps: int) -> int:
        """Record how many seconds a frame took; returns the step for the next one, 0 .. `steps` - 1."""
        self._spent.append(spent)
        if self.step >= steps:
            self._set_step(steps - 1)
        if len(self._spent) < _WINDOW:
            return self.step
        means = np.convolve(self._spent, np.full(_NEIGHBOURS, 1 / _NEIGHBOURS), "valid")
        self.frame_time = float(np.median(means))
        load = self.load
        if load is not None:
            self._choose(load, self.frame_time, steps)
        return self.step

    def _choose(self, load: float, frame_time: float, steps: int) -> None:
        if self._time_before:
            gain = self._time_before / frame_time if frame_time else 1.0
            self._gains[self.step] = min(max(1.0, gain), _MAX_GAIN)
            self._time_before = 0.0
        has_room = self.step > 0 and load * self._gains.get(self.step, 1.0) <= _MAX_LOAD
        self._with_room = self._with_room + 1 if has_room else 0
        if load > 1 and self.step + 1 < steps:
            self._set_step(self.step + 1)
            self._time_before = frame_time
        elif self._with_room == _FRAMES_WITH_ROOM:
            self._set_step(self.step - 1)

    def _set_step(self, step: int) -> None:
        self.step = step
        self._spent.clear()
        self._time_before, self._with_room = 0.0, 0
