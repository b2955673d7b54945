"""What people look at when something is wrong: the node's status on /diagnostics, and its troubles in the log."""

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
from sampt_ros.messages.compressed_depth import TRANSPORT
from sampt_ros.ros import conversions
from sampt_ros.ros.depth_sync import DepthSync
from sampt_ros.ros.qos import OVERRIDABLE
from sampt_ros.streaming.failures import Log
from sampt_ros.streaming.live.worker import Worker
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.stream import Stream
from sampt_ros.utils.log_once import kind_of
from sampt_ros.utils.machine import device_memory

_PATIENCE = 3.0  # seconds that something may be missing, as at start, before the log says so


@dataclass(frozen=True)
class Condition:
    """How a node is.

    failure      why the last transition failed; empty if it did not
    worker       while it is active
    is_paused    whether it ignores the images that it hears
    image_topic  where it listens to images
    stream       while it is configured
    depth        while it listens to depth; no_depth: why it does not, though it is asked to
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
        """Whether it listens and works."""
        return self.worker is not None and self.worker.is_alive


class Diagnostics:
    """Publishes a status for a node's stream, and tells in the log what stays wrong, each trouble once."""

    def __init__(self, node: Any, statistics: StreamStatistics, log: Log) -> None:
        self._node, self._statistics, self._log = node, statistics, log
        self._publisher = node.create_publisher(
            DiagnosticArray, "/diagnostics", copy(QoSProfile(depth=1)), qos_overriding_options=OVERRIDABLE
        )
        self._since: dict[str, float] = {}  # when each kind of trouble was first seen; infinite once it is told

    def publish(self, now: Condition) -> None:
        """Publish the status, once."""
        newest = now.stream.session.newest if now.stream is not None else None
        objects = newest.objects if newest else ()
        level, message = self._health(now, len(objects))
        states = {f"object {item.id}": f"{item.state.name}, score {item.score:.2f}, {item.area} px" for item in objects}
        values = (
            {"preset": now.options.preset}
            | self._statistics.summary()
            | _effort_summary(now)
            | _depth_summary(now)
            | device_memory()
            | states
        )
        name = self._node.get_fully_qualified_name().strip("/")  # that of another camera's node is another one
        status = conversions.diagnostic_status(f"{name}: stream", level, message, values)
        status.hardware_id = now.image_topic
        header = conversions.Header(stamp=self._node.get_clock().now().to_msg())
        self._publisher.publish(DiagnosticArray(header=header, status=[status]))

    def _health(self, now: Condition, objects: int) -> tuple[bytes, str]:
        """Diagnostic level and one sentence."""
        if now.failure:
            return DiagnosticStatus.ERROR, now.failure
        if not now.is_active:
            return DiagnosticStatus.WARN, "not active"
        if now.is_paused:
            return DiagnosticStatus.OK, "paused"
        publishers = self._node.count_publishers(now.image_topic)
        well, message = self._statistics.health(now.image_topic, publishers, objects)
        troubles = [*self._clock_trouble(), *self._depth_trouble(now), *_broadcast_trouble(now)]
        self._tell(troubles)
        level = DiagnosticStatus.OK if well and not troubles else DiagnosticStatus.WARN
        return level, "; ".join([message, *_lesser_effort(now), *troubles])

    def _tell(self, troubles: list[str]) -> None:
        """Tell in the log what is wrong for a while; again only if it was well in between."""
        now = time.monotonic()
        self._since = {kind_of(trouble): self._since.get(kind_of(trouble), now) for trouble in troubles}
        for trouble in troubles:
            if now - self._since[kind_of(trouble)] >= _PATIENCE:
                self._since[kind_of(trouble)] = np.inf
                self._log.warning(trouble)

    def _clock_trouble(self) -> Iterator[str]:
        is_simulated = self._node.get_parameter("use_sim_time").value
        if is_simulated and self._node.get_clock().now().nanoseconds == 0:
            yield "use_sim_time is set, but no time has come on /clock (ros2 bag play --clock)"

    def _depth_trouble(self, now: Condition) -> Iterator[str]:
        """Why there is no 3D output, or why it may be wrong; nothing where none is asked for."""
        if now.depth is None or now.stream is None:
            if now.no_depth:
                yield f"{now.no_depth}: 2D only"
            return
        queue, topic, images = now.stream.depth_queue, now.depth.topic, now.stream.clicks.frame_id
        if queue.depth_age >= now.options.depth_timeout:
            since = "yet" if np.isinf(queue.depth_age) else f"for {queue.depth_age:.1f} s"
            yield f"no depth on {topic} {since}{self._other_transport(topic)}: 2D only"
        elif (apart := queue.time_offset) is not None:
            yield f"{_never_pairs(topic, apart, now.options.depth_slop)}: 2D only"
        elif queue.camera is None:
            yield f"depth, but {self._no_camera(queue.camera_error)}: 2D only"
        elif queue.depth_error:
            yield f"{queue.depth_error}: 2D only"
        if now.depth.frame_id and images and now.depth.frame_id != images:
            yield (
                f"depth on {topic} is in frame {now.depth.frame_id!r}, the images are in {images!r}: "
                "3D is wrong unless it is registered to them"
            )

    def _no_camera(self, refused: str) -> str:
        topic = self._node.resolve_topic_name("camera_info")
        return f"the CameraInfo on {topic} is refused: {refused}" if refused else f"no CameraInfo on {topic}"

    def _other_transport(self, topic: str) -> str:
        """What to do where depth is published in the other form alone."""
        raw = topic.removesuffix(f"/{TRANSPORT}")
        other, transport = (raw, "raw") if raw != topic else (f"{topic}/{TRANSPORT}", TRANSPORT)
        if self._node.count_publishers(topic) or not self._node.count_publishers(other):
            return ""
        return f", but {other} is published (depth_transport: {transport})"


def _never_pairs(topic: str, apart: float, slop: float) -> str:
    """apart: seconds between images and depth."""
    if apart <= slop:
        return f"depth on {topic} comes more than two frames after its images"
    return f"depth on {topic} is {apart:.3f} s or more apart from every image, and depth_slop is {slop:g} s"


def _lesser_effort(now: Condition) -> Iterator[str]:
    """With how little effort frames are tracked, if it is not the full one."""
    if now.worker is not None and now.stream is not None and now.worker.load.step:
        yield f"with {now.stream.session.sam_pt.effort}, as frames take long"


def _effort_summary(now: Condition) -> dict[str, str]:
    if now.worker is None or now.stream is None:
        return {}
    load, sam_pt = now.worker.load, now.stream.session.sam_pt
    measured = "" if load.load is None else f"{load.load:.2f}"
    return {
        "effort": f"step {load.step} of {len(sam_pt.efforts) - 1}: {sam_pt.effort}",
        "load (time for a frame / camera's period)": measured or "not measured yet",
    }


def _depth_summary(now: Condition) -> dict[str, str]:
    if now.depth is None or now.stream is None:
        return {}
    queue = now.stream.depth_queue
    return {"frames with depth / without": f"{queue.with_depth} / {queue.without_depth}"}


def _broadcast_trouble(now: Condition) -> Iterator[str]:
    """Why nothing is broadcast on TF though it is asked for."""
    if not now.options.broadcast_tf:
        return
    reason = ""
    if not now.options.use_depth:
        reason = "use_depth is not"
    elif not now.has_tf:
        reason = "tf2_ros is not installed"
    elif now.stream is not None and now.stream.session.has_images and not now.stream.clicks.frame_id:
        reason = "the images' frame_id is empty"
    if reason:
        yield f"broadcast_tf is set, but {reason}: nothing is broadcast on TF"
