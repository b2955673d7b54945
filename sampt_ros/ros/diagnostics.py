"""The node's status on /diagnostics, and lasting problems in its log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile

from sampt_ros.config.node import NodeConfig
from sampt_ros.messages.compressed_depth import PLAIN_TRANSPORT, TRANSPORT, depth_topic
from sampt_ros.messages.topics import is_called_rectified
from sampt_ros.ros import conversions
from sampt_ros.ros.depth_sync import DepthSync
from sampt_ros.ros.qos import OVERRIDABLE
from sampt_ros.ros.viewing.id_changes import IDS_SINCE
from sampt_ros.ros.viewing.reference_answers import ReferenceAnswers
from sampt_ros.streaming.failures import Log
from sampt_ros.streaming.live.worker import Worker
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.stream import Stream
from sampt_ros.utils.log_once import kind_of
from sampt_ros.utils.machine import device_memory

_GRACE_PERIOD = 3.0  # seconds that a problem may last, as at start, before it is logged


@dataclass(frozen=True)
class NodeState:
    """The state of a node that its diagnostics are made from.

    failure      why the last lifecycle transition failed; empty if it did not
    worker       set while the node is active
    is_paused    whether it ignores incoming images
    image_topic  topic that images are expected on
    stream       set while the node is configured
    depth        set while it subscribes to depth; no_depth: why it does not, although use_depth is set
    has_tf       whether tf2_ros is installed
    """

    options: NodeConfig
    failure: str = ""
    worker: Worker | None = None
    is_paused: bool = False
    image_topic: str = ""
    stream: Stream | None = None
    depth: DepthSync | None = None
    no_depth: str = ""
    has_tf: bool = False

    @property
    def is_active(self) -> bool:
        """Whether the worker thread is running."""
        return self.worker is not None and self.worker.is_alive


class Diagnostics:
    """Publishes the status of a node's stream, and logs each problem that lasts, once.

    references  the answers to references, which are published too
    """

    def __init__(self, node: Any, statistics: StreamStatistics, log: Log) -> None:
        self._node, self._statistics, self._log = node, statistics, log
        self.references = ReferenceAnswers()
        self._publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", copy(QoSProfile(depth=1)), qos_overriding_options=OVERRIDABLE
        )
        self._since: dict[str, float] = {}  # when each kind of problem was first seen; infinite once it is logged

    def publish(self, state: NodeState) -> None:
        """Publish one status message."""
        newest = state.stream.session.newest if state.stream is not None else None
        objects = newest.objects if newest else ()
        level, message = self._health(state, len(objects))
        states = {f"object {item.id}": f"{item.state.name}, score {item.score:.2f}, {item.area} px" for item in objects}
        values = (
            {"preset": state.options.preset}
            | self._statistics.summary()
            | _effort_summary(state)
            | _depth_summary(state)
            | device_memory()
            | ({} if state.stream is None else {IDS_SINCE: f"{state.stream.ids_since:.6f}"})
            | states
            | dict(self.references.values())
        )
        name = self._node.get_fully_qualified_name().strip("/")  # unique among the nodes of several cameras
        status = conversions.diagnostic_status(f"{name}: stream", level, message, values)
        status.hardware_id = state.image_topic
        header = conversions.Header(stamp=self._node.get_clock().now().to_msg())
        self._publisher.publish(DiagnosticArray(header=header, status=[status]))

    def _health(self, state: NodeState, objects: int) -> tuple[bytes, str]:
        """Diagnostic level and one sentence."""
        if state.failure:
            return DiagnosticStatus.ERROR, state.failure
        if not state.is_active:
            return DiagnosticStatus.WARN, "not active"
        if state.is_paused:
            return DiagnosticStatus.OK, "paused"
        publishers = self._node.count_publishers(state.image_topic)
        well, message = self._statistics.health(state.image_topic, publishers, objects)
        problems = [*self._clock_problems(), *self._depth_problems(state), *_camera_problems(state)]
        problems += _broadcast_problems(state)
        self._log_lasting(problems)
        level = DiagnosticStatus.OK if well and not problems else DiagnosticStatus.WARN
        return level, "; ".join([message, *_reduced_effort(state), *problems])

    def _log_lasting(self, problems: list[str]) -> None:
        """Log each problem that has lasted for the grace period; again only if it was gone in between."""
        now = time.monotonic()
        self._since = {kind_of(problem): self._since.get(kind_of(problem), now) for problem in problems}
        for problem in problems:
            if now - self._since[kind_of(problem)] >= _GRACE_PERIOD:
                self._since[kind_of(problem)] = np.inf
                self._log.warning(problem)

    def _clock_problems(self) -> Iterator[str]:
        is_simulated = self._node.get_parameter("use_sim_time").value
        if is_simulated and self._node.get_clock().now().nanoseconds == 0:
            yield "use_sim_time is set, but no time has come on /clock (ros2 bag play --clock)"

    def _depth_problems(self, state: NodeState) -> Iterator[str]:
        """Why there is no 3D output, or why it may be wrong; nothing if use_depth is not set."""
        if state.depth is None or state.stream is None:
            if state.no_depth:
                yield f"{state.no_depth}: 2D only"
            return
        queue, topic, images = state.stream.depth_queue, state.depth.topic, state.stream.clicks.frame_id
        if queue.depth_age >= state.options.depth_timeout:
            since = "yet" if np.isinf(queue.depth_age) else f"for {queue.depth_age:.1f} s"
            yield f"no depth on {topic} {since}{self._other_transport(topic)}: 2D only"
        elif (offset := queue.time_offset) is not None:
            yield f"{_unpaired(topic, offset, state.options.depth_slop)}: 2D only"
        elif queue.camera is None:
            yield f"depth, but {self._no_camera(queue.camera_error)}: 2D only"
        elif queue.depth_error:
            yield f"{queue.depth_error}: 2D only"
        if state.depth.frame_id and images and state.depth.frame_id != images:
            yield (
                f"depth on {topic} is in frame {state.depth.frame_id!r}, the images are in {images!r}: "
                "3D is wrong unless it is registered to them"
            )

    def _no_camera(self, error: str) -> str:
        topic = self._node.resolve_topic_name("camera_info")
        return f"the CameraInfo on {topic} is refused: {error}" if error else f"no CameraInfo on {topic}"

    def _other_transport(self, topic: str) -> str:
        """A hint if depth is published with another transport only; otherwise empty."""
        topics = {transport: depth_topic(topic, transport) for transport in ("raw", TRANSPORT, PLAIN_TRANSPORT)}
        if self._node.count_publishers(topic):
            return ""
        there = (transport for transport, other in topics.items() if self._node.count_publishers(other))
        transport = next(there, "")
        return f", but {topics[transport]} is published (depth_transport: {transport})" if transport else ""


def _unpaired(topic: str, offset: float, slop: float) -> str:
    """Why depth matches no image; offset: smallest time difference between them, seconds."""
    if offset <= slop:
        return f"depth on {topic} comes more than two frames after its images"
    return f"depth on {topic} is {offset:.3f} s or more apart from every image, and depth_slop is {slop:g} s"


def _reduced_effort(state: NodeState) -> Iterator[str]:
    """The effort that frames are tracked with, if it is reduced."""
    if state.worker is not None and state.stream is not None and state.worker.load.step:
        yield f"with {state.stream.session.sam_pt.effort}, as frames take long"


def _effort_summary(state: NodeState) -> dict[str, str]:
    if state.worker is None or state.stream is None:
        return {}
    load, sam_pt = state.worker.load, state.stream.session.sam_pt
    measured = "" if load.load is None else f"{load.load:.2f}"
    return {
        "effort": f"step {load.step} of {len(sam_pt.efforts) - 1}: {sam_pt.effort}",
        "load (time for a frame / camera's period)": measured or "not measured yet",
    }


def _camera_problems(state: NodeState) -> Iterator[str]:
    """Why 3D is wrong; nothing where neither depth is in use nor a click in 3D was made."""
    if state.stream is None or (state.depth is None and not state.stream.clicks.has_3d):
        return
    if is_called_rectified(state.image_topic) and state.stream.differs_rectified:
        yield (
            f"{state.image_topic} is rectified by its name, and its CameraInfo is read as that of raw images: "
            "3D is wrong then (rectified: true)"
        )


def _depth_summary(state: NodeState) -> dict[str, str]:
    if state.depth is None or state.stream is None:
        return {}
    queue = state.stream.depth_queue
    return {"frames with depth / without": f"{queue.with_depth} / {queue.without_depth}"}


def _broadcast_problems(state: NodeState) -> Iterator[str]:
    """Why nothing is broadcast on TF although broadcast_tf is set."""
    if not state.options.broadcast_tf:
        return
    reason = ""
    if not state.options.use_depth:
        reason = "use_depth is not"
    elif not state.has_tf:
        reason = "tf2_ros is not installed"
    elif state.stream is not None and state.stream.session.has_images and not state.stream.clicks.frame_id:
        reason = "the images' frame_id is empty"
    if reason:
        yield f"broadcast_tf is set, but {reason}: nothing is broadcast on TF"
