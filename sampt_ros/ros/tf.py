"""TF through tf2_ros, where that is installed. Loaded when needed: everything else works without it."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future
from rclpy.time import Time

from sampt_ros.errors import QueryError
from sampt_ros.geometry.camera import transform_point
from sampt_ros.ros.conversions import object_transforms
from sampt_ros.ros.node_log import NodeLog
from sampt_ros.streaming.tracked_frame import TrackedFrame


class TfTransforms:
    """What a node hears of TF, and what it broadcasts there; raises ImportError where tf2_ros is not installed."""

    def __init__(self, node: Any, log: NodeLog) -> None:
        self._tf2_ros = importlib.import_module("tf2_ros")
        self._node = node
        self._log = log
        self._buffer = self._tf2_ros.Buffer(node=node)  # which has the node's clock, be it simulated
        self._broadcaster = self._tf2_ros.TransformBroadcaster(node)
        self._listener: _Listener | None = None

    def listen(self) -> None:
        """Begin to listen to TF; what is known of an earlier time is forgotten."""
        self.stop()
        self.clear()
        self._listener = _Listener(self._tf2_ros, self._node, self._buffer, self._log)

    def stop(self) -> None:
        """Stop listening, if anybody does."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def transform_point(self, xyz: np.ndarray, source: str, target: str, stamp_ns: int, timeout: float) -> np.ndarray:
        """(3,) metres: a point of frame `source` in frame `target` at a time; raises QueryError if TF does not know.

        timeout: seconds to wait for the transform.
        """
        at, wait = Time(nanoseconds=stamp_ns), Duration(seconds=timeout)
        try:
            found = self._buffer.lookup_transform(target, source, at, wait)
        except self._tf2_ros.TransformException as error:
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


class _Listener:
    """Fills a buffer in a thread of its own: in the node's executor transforms would wait behind images.

    An executor takes whole nodes only, so the subscriptions belong to a hidden node beside the one that needs them.
    """

    def __init__(self, tf2_ros: Any, node: Any, buffer: Any, log: NodeLog) -> None:
        # Remappings that were meant for the node, `-r /tf:=tf` of a namespaced robot say, have to hold here too.
        remappings = [f"{topic}:={node.resolve_topic_name(topic)}" for topic in ("/tf", "/tf_static")]
        self._node = Node(
            f"_{node.get_name()}_tf",
            namespace=node.get_namespace(),
            context=node.context,
            cli_args=["--ros-args", *(word for remapping in remappings for word in ("-r", remapping))],
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
        )
        self._log = log
        self._subscriptions = tf2_ros.TransformListener(buffer, self._node)
        self._executor = SingleThreadedExecutor(context=node.context)
        self._executor.add_node(self._node)
        self._stopped: Future[None] = Future()
        self._thread = threading.Thread(target=self._spin, name="tf", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set_result(None)
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def _spin(self) -> None:
        while not self._stopped.done() and self._executor.context.ok():
            try:
                self._executor.spin_until_future_complete(self._stopped)
            except ExternalShutdownException:
                return
            except Exception as error:  # a message that cannot be read costs itself, not all that come after it
                self._log.error(f"a transform is dropped because of a fault: {type(error).__name__}: {error}")
