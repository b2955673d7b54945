"""Sparse optical flow: pyramidal Lucas-Kanade (Bouguet, 2001) with a forward-backward check."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.config.point_trackers import LucasKanadeConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.point_trackers.base import FrameToFrameTracker, inside, moved_by_points, round_trip_visibility

_MAX_CORNERS = 100  # A mask is moved by at most so many corners in it ...
_MIN_CORNERS = 4  # ... and not at all by fewer than this.


class LucasKanade(FrameToFrameTracker):
    """Moves all points by one call forward and one back, and a mask by the common motion of the corners in it."""

    carries_masks = True

    def __init__(self, config: LucasKanadeConfig | None = None) -> None:
        self._config = config or LucasKanadeConfig()
        super().__init__()

    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        options = {"winSize": (self._config.window,) * 2, "maxLevel": self._config.levels}
        moved, status, _ = cv2.calcOpticalFlowPyrLK(previous.gray, current.gray, xy, None, **options)
        back, back_status, _ = cv2.calcOpticalFlowPyrLK(current.gray, previous.gray, moved, None, **options)
        visible, confidence = round_trip_visibility(xy, moved, back, self._config.max_error)
        visible &= inside(moved, current) & (status.ravel() > 0) & (back_status.ravel() > 0)
        return moved, visible, confidence * visible

    def propagate_mask(self, mask: LocalMask, previous: Frame, current: Frame, among: int = 1) -> LocalMask:
        """Move a mask by the similarity transform that most corners in it agree on; if there is none, it stays."""
        on_object = mask.on_object.whole().view(np.uint8)
        corners = cv2.goodFeaturesToTrack(previous.gray, _MAX_CORNERS, 0.01, 5, mask=on_object)
        if corners is None or len(corners) < _MIN_CORNERS:
            return mask
        start = corners[:, 0]
        moved, visible, _ = self.move(start, previous, current)
        if np.count_nonzero(visible) < _MIN_CORNERS:
            return mask
        propagated = moved_by_points(mask.soft(), start[visible], moved[visible])
        return mask if propagated is None else LocalMask.of(propagated)
