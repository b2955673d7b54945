"""What trackers by dense optical flow share: flow is sampled at points, checked by the flow back, and moves masks."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.geometry.crops import Crop, resized
from sampt_ros.point_trackers.base import FrameToFrameTracker, inside, round_trip_visibility

_MARGIN, _PAD = 1.0, 16  # Flow for a mask is computed this far around it: a share of its size, plus pixels.
# So many masks are moved by a flow of their own each; more share the image's, unless its resolution is a smaller share
# of that of their own. Chosen on the validation sequences, whose masks the image's flow moves as well.
_OWN_FLOWS, _SHARED_RESOLUTION = 3, 0.7
_MAX_DIFFERENCE = 30.0  # Where motion leaves a larger difference in grey levels, a moved mask is little trusted.


class DenseFlowTracker(FrameToFrameTracker):
    """Moves points by the flow of the whole image, checked by the flow back, and a mask by the flow around it.

    The flow around a mask finds faster objects. Many masks, whose surroundings together have more pixels than the
    image, share the flow that checks the points. A method implements `flow_input` and `flow`.
    """

    carries_masks = True

    def __init__(self, size: int, carry_size: int, max_error: float) -> None:
        """Set the sizes that flow is computed at.

        size        the image is scaled down to this longest side for the points, pixels
        carry_size  a mask's surroundings are scaled down to this side, pixels
        max_error   pixels of the image that a visible point may be off after the way back
        """
        self._size, self._carry_size, self._max_error = size, carry_size, max_error
        self._lock = threading.Lock()
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._pair: _FramePair | None = None  # the newest one

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
        pair = self._frame_pair(previous, current)
        moved = xy + _sample(self.flow(pair.before, pair.after), xy, pair.scale)
        back = moved + _sample(pair.flow_back(), moved, pair.scale)
        visible, confidence = round_trip_visibility(xy, moved, back, self._max_error)
        visible &= inside(moved, current)
        return moved, visible, confidence * visible

    def propagate_mask(self, mask: LocalMask, previous: Frame, current: Frame, among: int = 1) -> LocalMask:
        if not mask.area:
            return mask
        crop = Crop.around(mask, _MARGIN, self._carry_size, _PAD)
        if among > _OWN_FLOWS and self._scale(current) >= _SHARED_RESOLUTION * crop.scale.max():
            crop, before, after, flow = self._frame_pair(previous, current).within(crop)
        else:
            before, after = (crop.cut(self.flow_input(frame)) for frame in (previous, current))
            flow = self.carrying_flow(after, before)
        origins = _destinations(flow)
        moved, warped = (_look_up(source, origins) for source in (crop.cut_mask(mask), before))
        difference = cv2.absdiff(after, warped).astype(np.float32)
        if difference.ndim == 3:
            difference = difference.mean(2)
        trust = np.exp(-((cv2.GaussianBlur(difference, (0, 0), 2) / _MAX_DIFFERENCE) ** 2))
        return crop.placed(0.5 + trust * (moved - 0.5), current.size)

    def _scale(self, frame: Frame) -> float:
        """What a frame is scaled by for the flow of the whole image."""
        return min(1.0, self._size / max(frame.size))

    def _frame_pair(self, previous: Frame, current: Frame) -> _FramePair:
        """Two frames of the stream as flow inputs, scaled down."""
        with self._lock:
            known = self._pair
            if known is None or known.frames != (previous, current):
                # The last pair's second frame is mostly this one's first.
                before = known.after if known is not None and known.frames[1] is previous else self._scaled(previous)
                self._pair = known = _FramePair((previous, current), before, self._scaled(current), self.carrying_flow)
            return known

    def _scaled(self, frame: Frame) -> np.ndarray:
        """The flow input of a frame, scaled down to the size that flow is computed at."""
        height, width = (max(1, round(length * self._scale(frame))) for length in frame.size)
        return resized(self.flow_input(frame), (width, height))


class _FramePair:
    """Two frames of the stream, and the flow of the whole image from the second one back to the first.

    frames         the two
    before, after  their flow inputs, scaled down
    scale          (2,) float32: by which, along x and y
    """

    def __init__(
        self,
        frames: tuple[Frame, Frame],
        before: np.ndarray,
        after: np.ndarray,
        flow: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> None:
        """flow: from one input to another"""
        self.frames, self.before, self.after = frames, before, after
        self.scale = np.array(before.shape[1::-1], np.float32) / np.array(frames[0].size[::-1], np.float32)
        self._flow, self._lock = flow, threading.Lock()
        self._flow_back: np.ndarray | None = None

    def flow_back(self) -> np.ndarray:
        """(h, w, 2) float32 xy, in pixels of the scaled inputs; the first thread to need it computes it."""
        with self._lock:
            if self._flow_back is None:
                self._flow_back = self._flow(self.after, self.before)
            return self._flow_back

    def within(self, crop: Crop) -> tuple[Crop, np.ndarray, np.ndarray, np.ndarray]:
        """Both inputs and the flow back in a crop, which is not enlarged: the crop at its size, and the three.

        Its edges are those of the nearest pixels of the scaled inputs.
        """
        flow = self.flow_back()
        corners = np.rint(np.reshape(crop.window, (2, 2)) * self.scale).astype(int)
        left, top = np.minimum(corners[0], np.array(flow.shape[1::-1]) - 1)
        right, bottom = np.maximum(corners[1], (left + 1, top + 1))
        before, after, flow = (whole[top:bottom, left:right] for whole in (self.before, self.after, flow))
        size = int(right - left), int(bottom - top)
        if size[0] * size[1] <= crop.size[0] * crop.size[1]:
            return replace(crop, size=size), before, after, flow
        flow = cv2.multiply(cv2.resize(flow, crop.size), (*np.divide(crop.size, size), 0, 0))
        return crop, resized(before, crop.size), resized(after, crop.size), flow


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
