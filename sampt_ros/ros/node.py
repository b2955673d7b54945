"""The ROS 2 node: receives images and queries, and publishes masks and points."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import partial
from typing import Any

import numpy as np
import rclpy
from geometry_msgs.msg import Point, PointStamped, PoseArray
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_srvs.srv import SetBool, Trigger

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.errors import ConfigError, SamPtError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.messages.compressed_depth import depth_topic
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.messages.topics import mouse_topics
from sampt_ros.msg import QueryPoints, Reference, TrackedObjects
from sampt_ros.ros import conversions
from sampt_ros.ros.depth_sync import DepthSync
from sampt_ros.ros.diagnostics import Diagnostics, NodeState
from sampt_ros.ros.node_log import NodeLog
from sampt_ros.ros.parameters import NodeParameters
from sampt_ros.ros.process import ignore_interrupts, ros
from sampt_ros.ros.qos import LATCHED, NEWEST, OVERRIDABLE, QUERIES, RELIABLE
from sampt_ros.ros.tf import TfTransforms
from sampt_ros.srv import Query
from sampt_ros.streaming.clicks import NoTransforms
from sampt_ros.streaming.depth_queue import LiveWaiting
from sampt_ros.streaming.failures import Attempt, Failures
from sampt_ros.streaming.live.mailbox import Mailbox, Task
from sampt_ros.streaming.live.worker import Worker
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent, TrackedFrame
from sampt_ros.tracking.sam_pt import SamPt

_CLASSES = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/PointCloud2": PointCloud2,
    "geometry_msgs/msg/PoseArray": PoseArray,
    "sampt_ros/msg/TrackedObjects": TrackedObjects,
}


class SamptNode(LifecycleNode):
    """Lifecycle node `sampt`: the executor's thread only stores messages; one worker thread tracks and publishes."""

    def __init__(self, build: Callable[[SamPtConfig], SamPt] = SamPt, **node_options: Any) -> None:
        """build: creates the tracker when the node is configured."""
        super().__init__("sampt", **node_options)
        self._build = build
        self.statistics = StreamStatistics()
        self._log = NodeLog(self)
        self._failures = Failures(self.statistics, self._log)
        self._failure = ""  # why the last transition failed
        self._stream: Stream | None = None  # set while configured
        self._mailbox = Mailbox()
        self._mailbox.close()  # queries are refused until the node is active
        self._worker: Worker | None = None
        self._inputs: list[Any] = []  # subscriptions, while active
        self._has_latched_info = False  # whether one of them is to latched CameraInfo
        self._paused = False
        self._depth_sync: DepthSync | None = None  # set while subscribed to depth
        self._no_depth = ""  # why it is not, although use_depth is set
        self._tf: TfTransforms | None = None
        self._settings = NodeParameters(self, lambda: self._stream is not None, self._on_settings).settings
        self._outputs = {name: self._output(_CLASSES[output.type], f"~/{name}") for name, output in OUTPUTS.items()}
        self._diagnostics = Diagnostics(self, self.statistics, self._log)
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(SetBool, "~/pause", self._on_pause)
        # In its own group, to receive messages while a query waits. Without a profile, of a burst ten calls are kept.
        self.create_service(
            Query, "~/query", self._on_query, qos_profile=copy(QUERIES), callback_group=ReentrantCallbackGroup()
        )
        # On a steady clock, because the node's clock may be simulated, and stand still.
        self.create_timer(1.0, self._publish_diagnostics, clock=Clock(clock_type=ClockType.STEADY_TIME))

    # Parameters

    def _on_settings(self) -> None:
        self._mailbox.put_task(Task(self._apply_settings, outcome="a parameter has no effect"))

    def _apply_settings(self, stream: Stream) -> None:
        stream.session.sam_pt.config = self._settings.core
        stream.options = self._settings.node
        stream.depth_queue.policy = self._waiting()

    def _waiting(self) -> LiveWaiting:
        options = self._settings.node
        return LiveWaiting(round(options.depth_slop * 1e9), options.depth_timeout)

    # Lifecycle

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the models; if that fails, log the reason and fail the transition."""
        try:
            self._settings.require_good()
            self._stream = Stream(
                self._build(self._settings.core),
                self._settings.node,
                self._failures,
                self._waiting(),
                transforms=NoTransforms("tf2_ros is missing"),
                camera_hint=f"on {self.resolve_topic_name('camera_info')}",
            )
        except Exception as error:
            return self._fail("cannot configure", error)
        self._failure = ""
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the inputs and start the worker thread."""
        try:
            if self._stream is None:
                raise RuntimeError("expected a configured node")
            self._mailbox = Mailbox()
            self._paused = False
            self._apply_settings(self._stream)
            self._subscribe(self._stream)
            self._worker = Worker(self._mailbox, self._stream, self._process)
        except Exception as error:
            self.stop()
            return self._fail("cannot activate", error)
        self._log.info(f"waiting for images on {self._image_topic} and clicks on an object")
        return super().on_activate(state)

    def _fail(self, outcome: str, error: Exception) -> TransitionCallbackReturn:
        """Log why a transition fails; the node itself keeps running."""
        kind = "" if isinstance(error, SamPtError) else f"{type(error).__name__}: "
        self._failure = f"{outcome}: {kind}{error}"
        self._log.error(self._failure)
        self._log.debug(traceback.format_exc())
        return TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the worker thread; the objects are kept."""
        self.stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the models."""
        self._stream = None
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the worker thread for good."""
        self.stop()
        return super().on_shutdown(state)

    def stop(self) -> None:
        """Unsubscribe, let the worker finish its frame, and publish the frames that still wait for depth."""
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs, self._has_latched_info = [], False
        self._mailbox.close()
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
        if self._tf is not None:
            self._tf.stop()
        self._depth_sync = None
        if self._stream is None:
            return
        if self.context.ok():
            self._publish_ready(self._stream.remaining_frames())
        self._stream.depth_queue.reset()

    # Topics

    def _output(self, kind: Any, topic: str) -> Any:
        return self.create_publisher(kind, topic, copy(RELIABLE), qos_overriding_options=OVERRIDABLE)

    def _input(self, kind: Any, topic: str, callback: Callable[..., None], qos: QoSProfile = QUERIES) -> None:
        subscription = self.create_subscription(kind, topic, callback, copy(qos), qos_overriding_options=OVERRIDABLE)
        self._inputs.append(subscription)

    @property
    def _image_topic(self) -> str:
        """The image topic after remapping, with the suffix of the chosen transport."""
        topic = self.resolve_topic_name("image")
        return topic if self._settings.node.image_transport == "raw" else f"{topic}/compressed"

    @property
    def _depth_topic(self) -> str:
        """The depth topic after remapping, with the suffix of the chosen transport."""
        return depth_topic(self.resolve_topic_name("depth"), self._settings.node.depth_transport)

    def _subscribe(self, stream: Stream) -> None:
        kind, convert = Image, conversions.rgb_from_image
        if self._settings.node.image_transport == "compressed":
            kind, convert = CompressedImage, conversions.rgb_from_compressed
        convert = partial(convert, grey=GreyRange())
        self._input(kind, self._image_topic, partial(self._on_image, convert), NEWEST)
        self._input(CameraInfo, "camera_info", self._on_camera_info, qos_profile_sensor_data)
        self._input(QueryPoints, "~/query_points", lambda message: self._ask(_query(message)))
        self._input(Reference, "~/reference", self._on_reference, LATCHED)
        self._input(PointStamped, "/clicked_point", partial(self._on_click, POSITIVE))
        self._input(PointStamped, "~/clicked_background", partial(self._on_click, NEGATIVE))
        for topic in mouse_topics(self.resolve_topic_name("image"), "~"):
            self._input(Point, topic, self._on_mouse)
        self._listen_to_latched_camera_info()
        self._listen_to_depth(stream)
        self._listen_to_tf(stream)

    def _listen_to_latched_camera_info(self) -> None:
        """Subscribe transient local once such a publisher exists; the usual ones do not match that durability."""
        topic = self.resolve_topic_name("camera_info")
        durabilities = (info.qos_profile.durability for info in self.get_publishers_info_by_topic(topic))
        if not self._has_latched_info and DurabilityPolicy.TRANSIENT_LOCAL in durabilities:
            self._has_latched_info = True
            self._inputs.append(self.create_subscription(CameraInfo, topic, self._on_camera_info, copy(LATCHED)))

    def _listen_to_depth(self, stream: Stream) -> None:
        self._no_depth = ""
        if self._settings.node.use_depth:
            try:
                slop = self._settings.node.depth_slop
                sync = self._depth_sync = DepthSync(self._depth_topic, stream.depth_queue, slop, self._wake_for_depth)
                kind = Image if self._settings.node.depth_transport == "raw" else CompressedImage
                self._input(kind, sync.topic, partial(self._on_depth, stream, sync), qos_profile_sensor_data)
            except ConfigError as error:
                self._no_depth = str(error)
                self._log.warning(self._no_depth)
        stream.depth_queue.expects_depth = self._depth_sync is not None

    def _listen_to_tf(self, stream: Stream) -> None:
        if self._tf is None:
            try:
                self._tf = TfTransforms(self, self._log)
            except ImportError:
                self._log.info("tf2_ros is not installed: 3D clicks in the camera's frame only, no broadcasts")
                return
        self._tf.listen()
        stream.clicks.transforms = self._tf

    # Callbacks of inputs: they store messages and leave the work to the worker thread

    def _on_image(self, convert: Callable[[Any], np.ndarray], message: Any) -> None:
        self.statistics.count("frames_received")
        if self._paused or self._stream is None:
            return
        with self._stream.failures.frame():
            stamp, header = conversions.stamp_ns(message.header), message.header
            event = ImageEvent(stamp, header, partial(convert, message), time.perf_counter(), nbytes=len(message.data))
            if not self._mailbox.put_frame(event):
                self.statistics.count("frames_dropped")

    def _on_camera_info(self, message: CameraInfo) -> None:
        if self._stream is not None:
            self._stream.camera(partial(conversions.intrinsics_from_camera_info, message))

    def _on_depth(self, stream: Stream, sync: DepthSync, message: Any) -> None:
        with stream.failures.depth("a depth image is dropped"):
            sync.add_depth(message)

    async def _on_query(self, request: Query.Request, response: Query.Response) -> Query.Response:
        """Respond once the worker has carried out the query; the executor serves other callbacks meanwhile."""
        answered: Future[Attempt] = Future()
        self._ask(_query(request.query), partial(self._resolve, answered))
        return conversions.query_response(await answered, response)

    def _resolve(self, future: Future[Attempt], attempt: Attempt) -> None:
        """Resolve a future from the worker's thread, and wake the executor's thread, which awaits it."""
        future.set_result(attempt)
        if self.executor is not None:
            self.executor.wake()

    def _on_reference(self, message: Reference, info: Mapping[str, Any]) -> None:
        load, sent_ns = partial(conversions.reference_from_message, message), info["source_timestamp"]
        report = partial(self._diagnostics.references.add, message.header)
        self._ask(lambda stream: stream.reference(load, sent_ns), report)

    def _on_click(self, label: int, message: PointStamped) -> None:
        xyz, header = np.array([message.point.x, message.point.y, message.point.z]), message.header
        self._ask(
            lambda stream: stream.click_in_space(label, xyz, header.frame_id, partial(conversions.stamp_ns, header))
        )

    def _on_mouse(self, message: Point) -> None:
        self._ask(lambda stream: stream.click_in_view(message.x, message.y))

    def _ask(self, query: Callable[[Stream], Attempt], report: Callable[[Attempt], None] | None = None) -> None:
        """Let the worker carry out a query between two frames; `report` gets the outcome, also if it is refused."""
        report = report or (lambda attempt: None)
        self._mailbox.put_task(
            Task(lambda stream: report(query(stream)), lambda reason: report(self._failures.refuse(reason)))
        )

    def _wake_for_depth(self) -> None:
        """Let the worker publish the frames that need not wait for depth any longer."""
        if self._stream is not None and self._stream.depth_queue.is_waiting:
            task = Task(lambda stream: self._publish_ready(stream.ready_frames()), outcome="3D is not published")
            self._mailbox.put_task(task)

    def _on_reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self._worker is not None
        response.message = "takes effect between two frames" if response.success else "the node is not active"
        self._mailbox.put_task(Task(Stream.reset, outcome="the reset fails"))
        return response

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause or resume; after each activation the node is running."""
        response.success = self._worker is not None
        self._paused = request.data and response.success
        response.message = ("paused" if request.data else "running") if response.success else "the node is not active"
        self._log.info(f"pause: {response.message}")
        return response

    # The worker thread

    def _process(self, stream: Stream, event: ImageEvent) -> None:
        """Track all objects to an image; 2D outputs are published at once, 3D outputs when its depth is known."""
        if self._paused:
            return
        if self._depth_sync is not None:
            with stream.failures.depth():
                self._depth_sync.expect(event.header)
        frame = stream.image(event)
        if frame is not None:
            self._publish(frame, waits=False)
        self._publish_ready(stream.ready_frames())
        if frame is not None and not frame.failed:
            self.statistics.frame_done(1000 * (time.perf_counter() - event.received), frame.result.stages)

    def _publish_ready(self, frames: Iterable[TrackedFrame]) -> None:
        """Publish the 3D outputs of these frames."""
        for frame in frames:
            self._publish(frame, waits=True)
            if self._tf is not None and self._settings.node.broadcast_tf and not frame.failed:
                with self._failures.task(f"the poses of {frame.event.name} are not broadcast"):
                    self._tf.broadcast(frame, prefix=self.get_fully_qualified_name().lstrip("/"))

    def _publish(self, frame: TrackedFrame, waits: bool) -> None:
        """Publish the outputs that wait for depth, or those that do not, where there are subscribers."""
        for name, output in OUTPUTS.items():
            publisher = self._outputs[name]
            if frame.failed or output.waits != waits or not output.is_made_of(frame):
                continue
            with self._failures.task(f"{name} of {frame.event.name} is not published"):
                if publisher.get_subscription_count() > 0:
                    publisher.publish(output.make(frame, conversions.message_classes()))

    # Diagnostics

    def _publish_diagnostics(self) -> None:
        self._wake_for_depth()
        if self._worker is not None:
            self._listen_to_latched_camera_info()  # its publisher may have started after this node
        self._diagnostics.publish(
            NodeState(
                self._settings.node,
                self._failure,
                worker=self._worker,
                is_paused=self._paused,
                image_topic=self._image_topic,
                stream=self._stream,
                depth=self._depth_sync,
                no_depth=self._no_depth,
                has_tf=self._tf is not None,
            )
        )


def _query(message: QueryPoints) -> Callable[[Stream], Attempt]:
    """The query of a message, to be called with the stream."""
    load, frame_id = partial(conversions.request_from_message, message), message.header.frame_id
    return lambda stream: stream.query(load, frame_id)


def main(args: list[str] | None = None) -> None:
    """Run the node until it is interrupted."""
    with ros(args):
        node = SamptNode()
        try:
            if node.get_parameter("autostart").value and node.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                node.trigger_activate()
            rclpy.spin(node)
        finally:
            ignore_interrupts()
            node.stop()
            node.destroy_node()


if __name__ == "__main__":
    main()
