"""Dense optical flow: dense inverse search (Kroeger et al., ECCV 2016) sampled at the points."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.config import DisFlowConfig
from sampt_ros.crop import Crop
from sampt_ros.point_trackers.base import FrameToFrameTracker, inside, round_trip_visibility
from sampt_ros.structures import Frame

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}
_CARRY_MARGIN, _CARRY_PAD = 1.0, 16  # around a carried mask: share of its size, and pixels
# Below these sizes OpenCV's method reads memory that is not its own: results vary, or the process ends.
_SHORTEST, _LONGEST = 32, 96  # pixels that each side, and the longer one, must have
_EXPLAINED = 30.0  # grey levels; where motion leaves a larger difference the carried mask is little trusted


class DisFlow(FrameToFrameTracker):
    """Moves points by the flow of the whole image, checked by the flow back; a mask by the flow around it."""

    def __init__(self, config: DisFlowConfig | None = None) -> None:
        self._config = config or DisFlowConfig()
        self._method = cv2.DISOpticalFlow_create(_PRESETS[self._config.preset])
        super().__init__()

    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        before, after = self._scaled(previous), self._scaled(current)
        scale = np.array(before.shape[::-1], np.float32) / np.array(previous.size[::-1], np.float32)
        moved = xy + _sample(self._flow(before, after), xy, scale)
        back = moved + _sample(self._flow(after, before), moved, scale)
        visible, confidence = round_trip_visibility(xy, moved, back, self._config.max_error)
        visible &= inside(moved, current)
        return moved, visible, confidence * visible

    def carry(self, mask: np.ndarray, previous: Frame, current: Frame) -> np.ndarray:
        if not (mask > 0.5).any():
            return mask
        crop = Crop.around(mask > 0.5, _CARRY_MARGIN, self._config.carry_size, _CARRY_PAD)
        before, after, soft = crop.cut(previous.gray), crop.cut(current.gray), crop.cut(mask)
        came_from = _pixels(after.shape) + self._flow(after, before)
        moved, warped = (_look_up(picture, came_from) for picture in (soft, before))
        difference = cv2.GaussianBlur(cv2.absdiff(after, warped).astype(np.float32), (0, 0), 2)
        trust = np.exp(-((difference / _EXPLAINED) ** 2))
        return crop.paste(0.5 + trust * (moved - 0.5), current.size, outside=0.0)

    def _scaled(self, frame: Frame) -> np.ndarray:
        """(h, w) uint8: the frame's luminance at the size that flow is computed at."""
        scale = min(1.0, self._config.size / max(frame.size))
        size = [max(1, round(length * scale)) for length in frame.size[::-1]]
        return cv2.resize(frame.gray, size, interpolation=cv2.INTER_AREA)

    def _flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """(h, w, 2) float32 pixels: where each pixel of `start` (h, w) uint8 went in `end`."""
        size = np.maximum(start.shape[::-1], _SHORTEST)
        size = np.ceil(size * max(1.0, _LONGEST / size.max())).astype(int)
        enlarged = (cv2.resize(picture, size.tolist()) for picture in (start, end))
        flow = cv2.resize(self._method.calc(*enlarged, None), start.shape[::-1])
        return flow * (np.array(start.shape[::-1], np.float32) / size.astype(np.float32))


def _sample(flow: np.ndarray, xy: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """(n, 2) float32 image pixels: a flow (h, w, 2), computed at `scale` (2,) of the image, at points xy (n, 2)."""
    return _look_up(flow, ((xy + 0.5) * scale - 0.5)[None])[0] / scale


def _pixels(shape: tuple[int, ...]) -> np.ndarray:
    """(h, w, 2) float32: the xy of every pixel."""
    return np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(np.float32)


def _look_up(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The picture at xy `at`, (h, w, 2) float32: bilinear, edge-clamped."""
    return cv2.remap(picture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
