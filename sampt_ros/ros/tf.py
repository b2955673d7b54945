"""TF through tf2_ros, which is imported only when needed: everything else works without it."""

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
    """Looks up and broadcasts transforms for a node; raises ImportError if tf2_ros is not installed."""

    def __init__(self, node: Any, log: NodeLog) -> None:
        self._tf2_ros = importlib.import_module("tf2_ros")
        self._node = node
        self._log = log
        self._buffer = self._tf2_ros.Buffer(node=node)  # which uses the node's clock, possibly simulated
        self._broadcaster = self._tf2_ros.TransformBroadcaster(node)
        self._listener: _Listener | None = None

    def listen(self) -> None:
        """Start listening to TF; transforms received earlier are forgotten."""
        self.stop()
        self.clear()
        self._listener = _Listener(self._tf2_ros, self._node, self._buffer, self._log)

    def stop(self) -> None:
        """Stop listening; does nothing if not listening."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.stop()

    def transform_point(self, xyz: np.ndarray, source: str, target: str, stamp_ns: int, timeout: float) -> np.ndarray:
        """Transform a point (3,), metres, from frame `source` to frame `target` at time `stamp_ns`.

        timeout: seconds to wait for the transform. Raises QueryError if it is not available.
        """
        at, wait = Time(nanoseconds=stamp_ns), Duration(seconds=timeout)
        try:
            found = self._buffer.lookup_transform(target, source, at, wait)
        except self._tf2_ros.TransformException as error:
            raise QueryError(f"expected a transform from {source!r} to {target!r}: {error}") from None
        shift, rotation = found.transform.translation, found.transform.rotation
        quaternion = (rotation.x, rotation.y, rotation.z, rotation.w)
        return transform_point(xyz, (shift.x, shift.y, shift.z), quaternion)

    def clear(self) -> None:
        """Forget all transforms, because time has jumped."""
        self._buffer.clear()

    def broadcast(self, frame: TrackedFrame, prefix: str) -> None:
        """Broadcast the pose of each object as frame PREFIX/object_ID; does nothing if the image has no frame_id."""
        if not frame.surfaces or not frame.header.frame_id:
            return
        if transforms := object_transforms(frame.surfaces, frame.header, prefix):
            self._broadcaster.sendTransform(transforms)


class _Listener:
    """Fills a TF buffer in its own thread, so that transforms do not wait behind images in the node's executor.

    Executors are assigned whole nodes, so the subscriptions belong to a separate, hidden node.
    """

    def __init__(self, tf2_ros: Any, node: Any, buffer: Any, log: NodeLog) -> None:
        # The node's remappings, such as `-r /tf:=tf` of a namespaced robot, apply to the hidden node too.
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
            except Exception as error:  # one unreadable message must not stop those after it
                self._log.error(f"a transform is dropped because of a fault: {type(error).__name__}: {error}")
