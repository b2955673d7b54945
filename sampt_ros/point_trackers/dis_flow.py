"""Dense optical flow without a network: dense inverse search (Kroeger et al., ECCV 2016)."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from sampt_ros.config.point_trackers import DisFlowConfig
from sampt_ros.data_types import Frame
from sampt_ros.point_trackers.dense_flow import DenseFlowTracker

# OpenCV's presets, and how often each refines its flow. For "fast" OpenCV says 5 times, which takes a third longer, and
# masks of the validation sequences are no better; with fewer than 2 they are worse.
_PRESETS = {
    "ultrafast": (cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST, 0),
    "fast": (cv2.DISOPTICAL_FLOW_PRESET_FAST, 2),
    "medium": (cv2.DISOPTICAL_FLOW_PRESET_MEDIUM, 5),
}
# Below these sizes OpenCV's method reads memory that is not its own: results vary, or the process ends.
_MIN_SIDE, _MIN_LONGER_SIDE = 32, 96  # Pixels that each side, and the longer side, must have.


class DisFlow(DenseFlowTracker):
    """Dense inverse search on the luminance."""

    concurrent = True

    def __init__(self, config: DisFlowConfig | None = None) -> None:
        config = config or DisFlowConfig()
        self._preset = config.preset
        # Each has buffers of its own, so that points, and masks in several threads, can move at once.
        self._method, self._carrying = _method(self._preset), threading.local()
        super().__init__(config.size, config.carry_size, config.max_error)

    def flow_input(self, frame: Frame) -> np.ndarray:
        return frame.gray

    def flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        return _flow(self._method, start, end)

    def carrying_flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        if not hasattr(self._carrying, "method"):
            self._carrying.method = _method(self._preset)
        return _flow(self._carrying.method, start, end)


def _method(preset: str) -> cv2.DISOpticalFlow:
    opencv_preset, refinements = _PRESETS[preset]
    method = cv2.DISOpticalFlow_create(opencv_preset)
    method.setVariationalRefinementIterations(refinements)
    return method


def _flow(method: cv2.DISOpticalFlow, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """What `method` computes; images too small for it are enlarged."""
    flow: np.ndarray
    width, height = start.shape[::-1]
    if min(width, height) >= _MIN_SIDE and max(width, height) >= _MIN_LONGER_SIDE:
        flow = method.calc(start, end, None)
        return flow
    size = np.maximum((width, height), _MIN_SIDE)
    size = np.ceil(size * max(1.0, _MIN_LONGER_SIDE / size.max())).astype(int)
    enlarged = (cv2.resize(image, size.tolist()) for image in (start, end))
    flow = cv2.resize(method.calc(*enlarged, None), (width, height))
    flow = flow * (np.array((width, height), np.float32) / size.astype(np.float32))
    return flow
