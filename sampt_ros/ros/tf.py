"""TF through tf2_ros, where that is installed. Loaded when needed: everything else works without it."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.time import Time

from sampt_ros.errors import QueryError
from sampt_ros.geometry.camera import transform_point
from sampt_ros.ros.conversions import object_transforms
from sampt_ros.streaming.tracked_frame import TrackedFrame


class TfTransforms:
    """Listens to TF for a node, and broadcasts on it; raises ImportError where tf2_ros is not installed."""

    def __init__(self, node: Any) -> None:
        tf2_ros = importlib.import_module("tf2_ros")
        self._error = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer(node=node)  # which has the node's clock, be it simulated
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._broadcaster = tf2_ros.TransformBroadcaster(node)

    def move(self, xyz: np.ndarray, source: str, target: str, stamp_ns: int, timeout: float) -> np.ndarray:
        """(3,) metres: a point of frame `source` in frame `target` at a time; raises QueryError if TF does not know.

        timeout: seconds to wait for the transform.
        """
        at, wait = Time(nanoseconds=stamp_ns), Duration(seconds=timeout)
        try:
            found = self._buffer.lookup_transform(target, source, at, wait)
        except self._error as error:
            raise QueryError(f"expected a transform from {source!r} to {target!r}: {error}") from None
        move, turn = found.transform.translation, found.transform.rotation
        return transform_point(xyz, (move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))

    def clear(self) -> None:
        """Forget all transforms: time has jumped."""
        self._buffer.clear()

    def broadcast(self, frame: TrackedFrame, prefix: str) -> None:
        """Send where depth shows the objects as frames PREFIX/object_ID of the camera's; it has to have a name."""
        if not frame.surfaces or not frame.header.frame_id:
            return
        if transforms := object_transforms(frame.surfaces, frame.header, prefix):
            self._broadcaster.sendTransform(transforms)
