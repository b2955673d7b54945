"""What trackers by dense optical flow share: flow is sampled at points, checked by the flow back, and moves masks."""

from __future__ import annotations

from abc import abstractmethod

import cv2
import numpy as np

from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.geometry.crops import Crop, resized
from sampt_ros.point_trackers.base import FrameToFrameTracker, inside, round_trip_visibility
from sampt_ros.utils.blas_threads import on_one_thread

_MARGIN, _PAD = 1.0, 16  # Flow for a mask is computed this far around it: a share of its size, plus pixels.
# Where more masks than these few are moved, this is the share, and their surroundings are scaled down further, by this
# factor, to take less time. The validation sequences' masks are as good then; fewer objects that leave are found again.
_FEW, _CLOSE_MARGIN, _SMALL_SIZE = 3, 0.7, 0.8
_MAX_DIFFERENCE = 30.0  # Where motion leaves a larger difference in grey levels, a moved mask is little trusted.


class DenseFlowTracker(FrameToFrameTracker):
    """Moves points by the flow of the whole image, checked by the flow back, and a mask by the flow around it.

    A method implements `flow_input` and `flow`.
    """

    carries_masks = True

    def __init__(self, size: int, carry_size: int, max_error: float) -> None:
        """Set the sizes that flow is computed at.

        size        the image is scaled down to this longest side for the points, pixels
        carry_size  a mask's surroundings are scaled down to this side, pixels; those of one of many to a smaller one
        max_error   pixels of the image that a visible point may be off after the way back
        """
        self._size, self._carry_size, self._max_error = size, carry_size, max_error
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._newest: tuple[Frame, np.ndarray] | None = None  # scaled down; it is the next step's start

    @abstractmethod
    def flow_input(self, frame: Frame) -> np.ndarray:
        """What flow is computed from: (H, W) or (H, W, 3) uint8, of the frame's size."""

    @abstractmethod
    def flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """(h, w, 2) float32 xy: how many pixels each pixel of the input `start` moves in `end`; inputs of any size."""

    def carrying_flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """The same for masks; a concurrent method computes it apart from `flow`."""
        return self.flow(start, end)

    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        before, after = self._scaled(previous), self._scaled(current)
        scale = np.array(before.shape[1::-1], np.float32) / np.array(previous.size[::-1], np.float32)
        moved = xy + _sample(self.flow(before, after), xy, scale)
        back = moved + _sample(self.flow(after, before), moved, scale)
        visible, confidence = round_trip_visibility(xy, moved, back, self._max_error)
        visible &= inside(moved, current)
        return moved, visible, confidence * visible

    @on_one_thread
    def propagate_mask(self, mask: LocalMask, previous: Frame, current: Frame, among: int = 1) -> LocalMask:
        if not mask.area:
            return mask
        margin, size = (_MARGIN, 1.0) if among <= _FEW else (_CLOSE_MARGIN, _SMALL_SIZE)
        crop = Crop.around(mask, margin, size * self._carry_size, _PAD)
        before, after = (crop.cut(self.flow_input(frame)) for frame in (previous, current))
        origins = _destinations(self.carrying_flow(after, before))
        moved, warped = (_look_up(source, origins) for source in (crop.cut_mask(mask), before))
        difference = cv2.absdiff(after, warped).astype(np.float32)
        if difference.ndim == 3:
            difference = difference.mean(2)
        trust = np.exp(-((cv2.GaussianBlur(difference, (0, 0), 2) / _MAX_DIFFERENCE) ** 2))
        return crop.placed(0.5 + trust * (moved - 0.5), current.size)

    def _scaled(self, frame: Frame) -> np.ndarray:
        """The flow input of a frame, scaled down to the size that flow is computed at."""
        if self._newest is not None and self._newest[0] is frame:
            return self._newest[1]
        scale = min(1.0, self._size / max(frame.size))
        height, width = (max(1, round(length * scale)) for length in frame.size)
        scaled = resized(self.flow_input(frame), (width, height))
        self._newest = (frame, scaled)
        return scaled


def _sample(flow: np.ndarray, xy: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(n, 2) float32 image pixels: a flow (h, w, 2), computed at scale (2,) of the image, at image points (n, 2)."""
    sampled: np.ndarray = _look_up(flow, ((xy + 0.5) * scale - 0.5)[None])[0] / scale
    return sampled


def _destinations(flow: np.ndarray) -> np.ndarray:
    """(h, w, 2) float32 xy: where a flow (h, w, 2) takes every pixel."""
    height, width = flow.shape[:2]
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    destinations = np.empty_like(flow)
    np.add(flow[..., 0], across, out=destinations[..., 0])
    np.add(flow[..., 1], down[:, None], out=destinations[..., 1])
    return destinations


def _look_up(image: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """An image at pixels xy (h, w, 2) float32: bilinear, edge-clamped."""
    values: np.ndarray = cv2.remap(image, xy, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return values
