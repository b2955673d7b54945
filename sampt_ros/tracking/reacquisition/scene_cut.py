"""Cuts: frames so unlike the one before that nothing can be carried over."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.data_types import Frame

_SIDE = 16  # pixels that a frame is scaled down to
_LEAST = 20.0  # grey levels of mean difference
_TIMES = 3.0  # as often as the usual difference
_USUAL_RATE = 0.1


class SceneChange:
    """Compares each frame with the one before."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the last frame."""
        self._before: np.ndarray | None = None
        self._usual = 0.0

    def update(self, frame: Frame) -> bool:
        """Whether there is a cut between the last frame and this one."""
        now = cv2.resize(frame.gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, now
        if before is None:
            return False
        difference = float(np.abs(now - before).mean())
        is_cut = difference > max(_LEAST, _TIMES * self._usual)
        self._usual += _USUAL_RATE * (difference - self._usual)
        return is_cut
