"""The ROS 2 node: images and queries in, masks and points out. It converts, calls, publishes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point, PointStamped, PoseArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.duration import Duration
from rclpy.exceptions import InvalidParameterValueException
from rclpy.executors import ExternalShutdownException
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_srvs.srv import SetBool, Trigger

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.live import Settings
from sampt_ros.config.options import Option, walk
from sampt_ros.data_types import NEGATIVE, POSITIVE, FrameResult
from sampt_ros.errors import INFERENCE_ERRORS, ConfigError, QueryError, SamPtError
from sampt_ros.geometry.surfaces import ObjectSurface, cloud
from sampt_ros.io.overlay import draw
from sampt_ros.msg import QueryPoints, Reference, TrackedObjects
from sampt_ros.ros import conversions
from sampt_ros.ros.fastdds import enlarge_shared_memory
from sampt_ros.ros.tf import Transforms
from sampt_ros.streaming.clicks import Clicks
from sampt_ros.streaming.depth_stream import DepthStream
from sampt_ros.streaming.mailbox import Arrival, Mailbox
from sampt_ros.streaming.session import Session
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.tracked_frame import Tracked
from sampt_ros.streaming.worker import Worker
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import device_memory

_OVERRIDABLE = QoSOverridingOptions.with_default_policies()
# Copied for every topic: an override is written into the profile itself.
_RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)  # every subscriber matches it
_LATCHED = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)  # a late image is dropped, never queued


class SamptNode(LifecycleNode):
    """Lifecycle node `sampt`: the executor's thread stores what comes in, one worker thread tracks and publishes."""

    def __init__(self, build: Callable[[SamPtConfig], SamPt] = SamPt, **node_options: Any) -> None:
        """build: makes the tracker when the node is configured."""
        super().__init__("sampt", **node_options)
        self._build = build
        self.statistics = StreamStatistics()
        self._trouble = ""  # why the last transition failed
        self._session: Any = None  # a Session, while configured
        self._mailbox = Mailbox()
        self._worker: Worker | None = None
        self._inputs: list[Any] = []
        self._paused = False
        self._newest: FrameResult | None = None
        self._depth = DepthStream(
            self._publish_points,
            lambda: self._mailbox.put_request(lambda session: self._depth.release()),
            conversions.depth_from_image,
            conversions.stamp_ns,
        )
        self._settings = Settings()
        self._clicks = Clicks(self._settings, self._depth, self.resolve_topic_name("camera_info"))
        self._declare(walk(self._settings.node))
        self._settings.load_preset()
        self._declare(walk(self._settings.core))
        self.add_on_set_parameters_callback(self._on_set_parameters)

        self._mask = self._output(Image, "~/mask")
        self._labels = self._output(Image, "~/labels")
        self._points = self._output(TrackedObjects, "~/points")
        self._overlay = self._output(Image, "~/overlay")
        self._poses = self._output(PoseArray, "~/object_poses")
        self._cloud = self._output(PointCloud2, "~/cloud")
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 1)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(SetBool, "~/pause", self._on_pause)
        self.create_timer(1.0, self._publish_diagnostics)

    # --- parameters ---

    def _declare(self, options: Iterable[tuple[str, Any, Option]]) -> None:
        """Declare parameters; a bad value given at start fails the configure transition, not the node."""
        for name, value, option in options:
            descriptor = conversions.parameter_descriptor(option, value)
            descriptor.dynamic_typing = True  # 2 will do for 2.0: the settings check the types
            try:
                self.declare_parameter(name, value, descriptor)
                self._settings.change({name: self.get_parameter(name).value})
            except (InvalidParameterValueException, SamPtError) as error:
                self._settings.bad[name] = str(error)
            if not self.has_parameter(name):
                self.declare_parameter(name, value, descriptor, ignore_override=True)

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        ours = {item.name: item.value for item in parameters if item.name in self._settings.names}
        try:
            self._settings.change(ours, running=self._session is not None)
        except SamPtError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._mailbox.put_request(self._apply_settings)
        return SetParametersResult(successful=True)

    def _apply_settings(self, session: Session) -> None:
        session.sam_pt.config = self._settings.core
        session.history = self._depth.history = self._settings.node.history
        self._depth.timeout = self._settings.node.depth_timeout

    # --- lifecycle ---

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the models; fails, and says why, where that cannot be done."""
        try:
            self._settings.require_good()
            self._session = Session(self._build(self._settings.core), self._settings.node.history)
        except (SamPtError, *INFERENCE_ERRORS) as error:
            self._trouble = f"cannot configure: {error}"
            self.get_logger().error(self._trouble)
            return TransitionCallbackReturn.FAILURE
        self._trouble = ""
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to listen and to work."""
        self._mailbox = Mailbox()
        self._apply_settings(self._session)
        self._worker = Worker(self._mailbox, self._session, self._track, self.statistics, self._warn)
        self._subscribe()
        self.get_logger().info(f"waiting for images on {self._image_topic} and clicks on an object")
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening and working; the objects are kept."""
        self.stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give the models back."""
        self._session = self._newest = None
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop for good."""
        self.stop()
        return super().on_shutdown(state)

    def stop(self) -> None:
        """Stop listening, let the worker finish its frame, and wait for it."""
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        self._depth.stop()

    # --- topics ---

    def _output(self, kind: Any, topic: str) -> Any:
        return self.create_publisher(kind, topic, copy(_RELIABLE), qos_overriding_options=_OVERRIDABLE)

    def _input(self, kind: Any, topic: str, callback: Callable[[Any], None], qos: QoSProfile = _RELIABLE) -> None:
        heard = self.create_subscription(kind, topic, callback, copy(qos), qos_overriding_options=_OVERRIDABLE)
        self._inputs.append(heard)

    @property
    def _image_topic(self) -> str:
        """The image topic after remapping, in the form that the chosen transport uses."""
        topic = self.resolve_topic_name("image")
        return topic if self._settings.node.image_transport == "raw" else f"{topic}/compressed"

    def _subscribe(self) -> None:
        kind, convert = Image, conversions.rgb_from_image
        if self._settings.node.image_transport == "compressed":
            kind, convert = CompressedImage, conversions.rgb_from_compressed
        self._input(kind, self._image_topic, partial(self._on_image, convert), _NEWEST)
        self._input(CameraInfo, "camera_info", self._on_camera_info, qos_profile_sensor_data)
        self._input(QueryPoints, "~/query_points", self._on_query_points)
        self._input(Reference, "~/reference", self._on_reference, _LATCHED)
        self._input(PointStamped, "/clicked_point", partial(self._on_click, POSITIVE))
        self._input(PointStamped, "~/clicked_background", partial(self._on_click, NEGATIVE))
        self._input(Point, f"{self.resolve_topic_name('image')}_mouse_left", self._on_mouse)
        if self._settings.node.use_depth:
            try:
                self._depth.start(self._settings.node.depth_slop)
                self._input(Image, "depth", self._depth.hear, qos_profile_sensor_data)
            except ConfigError as error:
                self.get_logger().warning(str(error))
        if self._clicks.transforms is None:
            try:
                self._clicks.transforms = Transforms(self, Time, Duration)
            except ImportError:
                self.get_logger().info("tf2_ros is not installed: 3D clicks in the camera's frame only, no broadcasts")

    # --- what comes in; all but the storing is left to the worker ---

    def _on_image(self, convert: Callable[[Any], np.ndarray], message: Any) -> None:
        self.statistics.count("frames_received")
        if self._paused:
            return
        load, stamp = partial(convert, message), conversions.stamp_ns(message.header)
        if not self._mailbox.put_frame(Arrival(stamp, message.header, load, time.perf_counter())):
            self.statistics.count("frames_dropped")

    def _on_camera_info(self, message: CameraInfo) -> None:
        try:
            self._depth.see(conversions.intrinsics_from_camera_info(message, self._settings.node.rectified))
        except SamPtError as error:
            self._warn(f"camera_info ignored: {error}")

    def _on_query_points(self, message: QueryPoints) -> None:
        def answer(session: Session) -> str:
            if self._newest is not None and message.header.frame_id not in ("", self._clicks.frame_id):
                raise QueryError(f"expected frame_id {self._clicks.frame_id!r}; got {message.header.frame_id!r}")
            return session.answer(conversions.request_from_message(message))

        self._ask(answer)

    def _on_reference(self, message: Reference) -> None:
        self._ask(lambda session: session.refer(*conversions.reference_from_message(message)))

    def _on_click(self, label: int, message: PointStamped) -> None:
        xyz, stamp = np.array([message.point.x, message.point.y, message.point.z]), conversions.stamp_ns(message.header)
        self._ask(lambda session: self._clicks.in_space(session, label, xyz, message.header.frame_id, stamp))

    def _on_mouse(self, message: Point) -> None:
        self._ask(lambda session: self._clicks.in_view(session, message.x, message.y))

    def _ask(self, answer: Callable[[Session], str]) -> None:
        """Let the worker answer a query between two frames."""

        def request(session: Session) -> None:
            self.get_logger().info(answer(session))
            self.statistics.count("queries_accepted")

        self._mailbox.put_request(request)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._worker is not None
        response.message = "takes effect between two frames" if response.success else "the node is not active"
        self._mailbox.put_request(self._reset)
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._paused = request.data
        response.success, response.message = True, "paused" if request.data else "running"
        return response

    # --- the worker's thread ---

    def _track(self, session: Session, arrival: Arrival) -> None:
        if self._paused:
            return
        self._depth.expect(arrival.header)
        image = arrival.load()
        result, news = session.step(arrival.stamp_ns, image)
        if news:
            self._warn(news)
        self._newest, self._clicks.frame_id = result, arrival.header.frame_id
        self._publish(Tracked(arrival.stamp_ns, arrival.header, image, result))
        self.statistics.frame_done(1000 * (time.perf_counter() - arrival.arrived), result.stages)

    def _publish(self, frame: Tracked) -> None:
        """Publish what needs no depth; the rest follows once the frame has its depth, or will not get any."""
        header, result = frame.header, frame.result
        self._send(self._mask, lambda: conversions.image_from_array(result.mask, "mono8", header))
        self._send(self._labels, lambda: conversions.image_from_array(result.labels, "mono16", header))
        self._send(self._overlay, lambda: conversions.image_from_array(draw(frame.image, result), "rgb8", header))
        self._depth.add(frame)

    def _publish_points(self, frame: Tracked, found: dict[int, ObjectSurface] | None) -> None:
        """Publish the tracked points, and what depth shows; without depth the 3D topics are silent."""
        header = frame.header
        self._send(self._points, lambda: conversions.tracked_objects(frame.result, header, found))
        if found is None:
            return
        self._send(self._poses, lambda: conversions.object_poses(found, header))
        self._send(self._cloud, lambda: conversions.point_cloud(cloud(frame.result, found, frame.image), header))
        if self._clicks.transforms is not None and self._settings.node.broadcast_tf:
            prefix = self.get_fully_qualified_name().lstrip("/")
            self._clicks.transforms.broadcast(conversions.object_transforms(found, header, prefix))

    def _send(self, publisher: Any, make: Callable[[], Any]) -> None:
        """Publish what somebody listens to; every message carries the header of the image it belongs to."""
        if publisher.get_subscription_count() > 0:
            publisher.publish(make())

    def _reset(self, session: Session) -> None:
        session.reset()
        self._newest = None
        self.get_logger().info("reset: all objects are dropped")

    # --- what people look at when something is wrong ---

    def _warn(self, text: str) -> None:
        if self.context.ok():  # what fails while the process is being stopped is nobody's concern
            self.get_logger().warning(text, throttle_duration_sec=1.0)

    def _publish_diagnostics(self) -> None:
        self._depth.wake_if_waiting()
        newest = self._newest  # read once: the worker may exchange it
        objects = newest.objects if newest else ()
        level, message = self._health(len(objects))
        states = {f"object {item.id}": f"{item.state.name}, score {item.score:.2f}, {item.area} px" for item in objects}
        values = self.statistics.summary() | self._depth.summary() | device_memory() | states
        name = self.get_fully_qualified_name().strip("/")  # that of another camera's node is another one
        status = conversions.diagnostic_status(f"{name}: stream", level, message, values)
        status.hardware_id = self._image_topic
        header = conversions.Header(stamp=self.get_clock().now().to_msg())
        self._diagnostics.publish(DiagnosticArray(header=header, status=[status]))

    def _health(self, objects: int) -> tuple[bytes, str]:
        """Diagnostic level and one sentence."""
        if self._trouble:
            return DiagnosticStatus.ERROR, self._trouble
        if self._worker is None:
            return DiagnosticStatus.WARN, "not active"
        if self._paused:
            return DiagnosticStatus.OK, "paused"
        well, message = self.statistics.health(self._image_topic, self.count_publishers(self._image_topic), objects)
        if well and (trouble := self._depth.trouble(*map(self.resolve_topic_name, ("depth", "camera_info")))):
            well, message = False, f"{message}; {trouble}"
        return DiagnosticStatus.OK if well else DiagnosticStatus.WARN, message


def main(args: list[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    enlarge_shared_memory()
    rclpy.init(args=args)
    node = SamptNode()
    try:
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            if node.get_parameter("autostart").value and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                node.trigger_activate()
            rclpy.spin(node)
    finally:
        node.stop()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
