"""What trackers by dense optical flow share: flow sampled at points, checked by the flow back, and carrying masks."""

from __future__ import annotations

from abc import abstractmethod

import cv2
import numpy as np

from sampt_ros.data_types import Frame
from sampt_ros.geometry.crops import Crop
from sampt_ros.point_trackers.base import FrameToFrameTracker, inside, round_trip_visibility

_CARRY_MARGIN, _CARRY_PAD = 1.0, 16  # around a carried mask: share of its size, and pixels
_EXPLAINED = 30.0  # grey levels; where motion leaves a larger difference the carried mask is little trusted


class DenseFlowTracker(FrameToFrameTracker):
    """Moves points by the flow of the whole image, checked by the flow back; a mask by the flow around it.

    A method implements `picture` and `flow`.
    """

    def __init__(self, size: int, carry_size: int, max_error: float) -> None:
        """size, carry_size: pixels that the image's longest side, and a carried mask's surroundings, are scaled down
        to; max_error: pixels of the image that a visible point may be off after the way back."""
        self._size, self._carry_size, self._max_error = size, carry_size, max_error
        super().__init__()

    @abstractmethod
    def picture(self, frame: Frame) -> np.ndarray:
        """What flow is computed from: (H, W) or (H, W, 3) uint8, of the frame's size."""

    @abstractmethod
    def flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """(h, w, 2) float32 pixels (x, y): where each pixel of the picture `start` went in `end`, both of any size."""

    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        before, after = self._scaled(previous), self._scaled(current)
        scale = np.array(before.shape[1::-1], np.float32) / np.array(previous.size[::-1], np.float32)
        moved = xy + _sample(self.flow(before, after), xy, scale)
        back = moved + _sample(self.flow(after, before), moved, scale)
        visible, confidence = round_trip_visibility(xy, moved, back, self._max_error)
        visible &= inside(moved, current)
        return moved, visible, confidence * visible

    def propagate_mask(self, mask: np.ndarray, previous: Frame, current: Frame) -> np.ndarray:
        on = mask > 0.5
        if not on.any():
            return mask
        crop = Crop.around(on, _CARRY_MARGIN, self._carry_size, _CARRY_PAD)
        before, after = (crop.cut(self.picture(frame)) for frame in (previous, current))
        came_from = _destinations(self.flow(after, before))
        moved, warped = (_look_up(picture, came_from) for picture in (crop.cut(mask), before))
        difference = cv2.absdiff(after, warped).astype(np.float32)
        if difference.ndim == 3:
            difference = difference.mean(2)
        trust = np.exp(-((cv2.GaussianBlur(difference, (0, 0), 2) / _EXPLAINED) ** 2))
        return crop.paste(0.5 + trust * (moved - 0.5), current.size, outside=0.0)

    def _scaled(self, frame: Frame) -> np.ndarray:
        """The frame's picture at the size that flow is computed at."""
        scale = min(1.0, self._size / max(frame.size))
        size = [max(1, round(length * scale)) for length in frame.size[::-1]]
        return cv2.resize(self.picture(frame), size, interpolation=cv2.INTER_AREA)


def _sample(flow: np.ndarray, xy: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(n, 2) float32 image pixels: a flow (h, w, 2), computed at `scale` (2,) of the image, at points xy (n, 2)."""
    return _look_up(flow, ((xy + 0.5) * scale - 0.5)[None])[0] / scale


def _destinations(flow: np.ndarray) -> np.ndarray:
    """(h, w, 2) float32: the xy to which a flow (h, w, 2) takes every pixel."""
    height, width = flow.shape[:2]
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    return np.stack([flow[..., 0] + across, flow[..., 1] + down[:, None]], axis=-1)


def _look_up(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The picture at xy `at`, (h, w, 2) float32: bilinear, edge-clamped."""
    return cv2.remap(picture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
