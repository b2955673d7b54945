"""Detects cuts: frames so different from the one before that nothing can be tracked from one to the other."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.data_types import Frame

_SIDE = 16  # Frames are compared at this many pixels a side.
_MIN_DIFFERENCE = 20.0  # Mean difference in grey levels below which there is never a cut.
_FACTOR = 3.0  # At a cut, the difference is more than this many times the running mean of the differences.
_LEARNING_RATE = 0.1  # Weight of the newest difference in that mean.


class SceneCutDetector:
    """Compares each frame with the one before.

    is_cut  whether there was a cut between the last two observed frames
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all frames."""
        self.is_cut = False
        self._previous: np.ndarray | None = None
        self._mean_difference = 0.0

    def observe(self, frame: Frame) -> None:
        """Take in the next frame."""
        current = thumbnail(frame.gray)
        previous, self._previous, self.is_cut = self._previous, current, False
        if previous is None:
            return
        difference = float(np.abs(current - previous).mean())
        self.is_cut = difference > max(_MIN_DIFFERENCE, _FACTOR * self._mean_difference)
        self._mean_difference += _LEARNING_RATE * (difference - self._mean_difference)


def thumbnail(gray: np.ndarray) -> np.ndarray:
    """(16, 16) float32: the mean grey level of each part of an image (H, W) uint8."""
    # Halving even lengths is the one exact reduction that OpenCV does quickly.
    while min(gray.shape) >= 16 * _SIDE:
        height, width = (length // 2 for length in gray.shape)
        gray = cv2.resize(gray[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    levels: np.ndarray = cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    return levels
