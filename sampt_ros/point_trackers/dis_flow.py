"""Dense optical flow: dense inverse search (Kroeger et al., ECCV 2016) sampled at the points."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.config import DisFlowConfig
from sampt_ros.point_trackers.base import FrameToFrameTracker, inside, round_trip_visibility
from sampt_ros.structures import Frame

_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class DisFlow(FrameToFrameTracker):
    """Moves points by the dense flow, checked by the flow back; it also knows how to move a mask."""

    def __init__(self, config: DisFlowConfig | None = None) -> None:
        self._config = config or DisFlowConfig()
        self._method = cv2.DISOpticalFlow_create(_PRESETS[self._config.preset])
        super().__init__()

    def reset(self) -> None:
        super().reset()
        self._flows: dict[tuple[int, int], np.ndarray] = {}

    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        moved = xy + _sample(self._flow(previous, current), xy)
        back = moved + _sample(self._flow(current, previous), moved)
        visible, confidence = round_trip_visibility(xy, back, self._config.max_error)
        visible &= inside(moved, current)
        return moved, visible, confidence * visible

    def carry(self, mask: np.ndarray, previous: Frame, current: Frame) -> np.ndarray:
        flow = self._flow(current, previous)
        height, width = current.size
        y, x = np.mgrid[:height, :width].astype(np.float32)
        return cv2.remap(mask, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)

    def _flow(self, start: Frame, end: Frame) -> np.ndarray:
        """(H, W, 2) float32: where each pixel of `start` went, in pixels. The newest pair's two flows are kept."""
        key = (start.index, end.index)
        if key not in self._flows:
            self._flows = {pair: flow for pair, flow in self._flows.items() if pair == key[::-1]}
            self._flows[key] = self._method.calc(start.gray, end.gray, None)
        return self._flows[key]


def _sample(flow: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """(n, 2) float32: the flow at points xy (n, 2), bilinear, edge-clamped."""
    return cv2.remap(flow, xy[None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
