"""Sparse optical flow: pyramidal Lucas-Kanade (Bouguet, 2001) with a forward-backward check."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.config import LucasKanadeConfig
from sampt_ros.point_trackers.base import FrameToFrameTracker, inside, round_trip_visibility
from sampt_ros.structures import Frame


class LucasKanade(FrameToFrameTracker):
    """Moves all points by one call forward and one back; a point that does not come back is not visible."""

    def __init__(self, config: LucasKanadeConfig | None = None) -> None:
        self._config = config or LucasKanadeConfig()
        super().__init__()

    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        window, levels = (self._config.window,) * 2, self._config.levels
        moved, found, _ = cv2.calcOpticalFlowPyrLK(
            previous.gray, current.gray, xy, None, winSize=window, maxLevel=levels
        )
        back, returned, _ = cv2.calcOpticalFlowPyrLK(
            current.gray, previous.gray, moved, None, winSize=window, maxLevel=levels
        )
        visible, confidence = round_trip_visibility(xy, back, self._config.max_error)
        visible &= inside(moved, current) & (found.ravel() > 0) & (returned.ravel() > 0)
        return moved, visible, confidence * visible
