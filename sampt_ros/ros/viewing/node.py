"""The node behind the web page: shows a camera's images and the tracker's results, and publishes the user's queries."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sampt_ros.config.web import WebNodeConfig
from sampt_ros.errors import QueryError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.messages.fields import query_fields
from sampt_ros.msg import QueryPoint, QueryPoints, Reference, TrackedObjects
from sampt_ros.ros import conversions
from sampt_ros.ros.node_log import NodeLog
from sampt_ros.ros.parameters import declare_config
from sampt_ros.ros.qos import LATCHED, OVERRIDABLE, QUERIES, RELIABLE
from sampt_ros.ros.viewing.id_changes import IdChanges
from sampt_ros.ros.viewing.open_requests import OpenRequest, OpenRequests, Tell
from sampt_ros.ros.viewing.pairing import Pairing
from sampt_ros.ros.viewing.reference_answers import answer_key, attempt_from_value
from sampt_ros.srv import Query
from sampt_ros.streaming import requests
from sampt_ros.streaming.failures import Attempt, Failures
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.streaming.requests import Answer, Request
from sampt_ros.streaming.statistics import StreamStatistics

_DIAGNOSTICS_TIMEOUT = 3.0  # Seconds without diagnostics after which the tracker counts as gone.
_VIEWERS_PERIOD = 0.1  # Seconds between checks whether anyone is watching.
_OPEN_PERIOD = 0.5  # Seconds between checks whether answers are still to be expected.
# Latched, so that a tracker that starts later receives the last references.
_REFERENCES = QoSProfile(depth=4, reliability=RELIABLE.reliability, durability=LATCHED.durability)
_PAUSED = "paused"  # The message in the diagnostics of a paused tracker.
_MOST_REFERENCES = 64  # Largest number of references that wait for their answers.


class WebNode(Node):
    """Node `sampt_web`, a backend of the web page. It subscribes to images only while someone is watching."""

    def __init__(self, **node_options: Any) -> None:
        """Raises ConfigError for a bad parameter."""
        super().__init__("sampt_web", **node_options)
        self.config = declare_config(self, WebNodeConfig)
        self._failures = Failures(StreamStatistics(), NodeLog(self))
        self._pairing = Pairing()
        self._id_changes = IdChanges()
        self._show: Callable[[View], None] | None = None
        self._inputs: list[Any] = []
        self._frame_id = ""
        self._grey = GreyRange()
        self._stamp_ns = 0  # Of the last reference.
        self._status: DiagnosticStatus | None = None
        self._status_time = -_DIAGNOSTICS_TIMEOUT
        self._open_references = OpenRequests(_MOST_REFERENCES)  # By the keys of their answers.
        self._open_calls = OpenRequests(QUERIES.depth)  # Of services, by their futures.
        self._lock = threading.Lock()  # Guards `_stamp_ns`.
        self._references = self._output(Reference, "sampt/reference", _REFERENCES)
        # Deep, as the service is, so that of a burst of clicks each is answered.
        self._query_client = self.create_client(Query, "sampt/query", qos_profile=copy(QUERIES))
        self._reset_client = self.create_client(Trigger, "sampt/reset")
        self._pause_client = self.create_client(SetBool, "sampt/pause")
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, QoSProfile(depth=10))
        self.create_timer(_VIEWERS_PERIOD, self._listen_while_watched)
        # Not the ROS clock, which stands still when a simulation or a bag has ended.
        self.create_timer(_OPEN_PERIOD, self._give_up_without_tracker, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def spin(self) -> None:
        """Serve ROS until the process is interrupted."""
        rclpy.spin(self)

    # Called by the page, from any thread

    def watch(self, show: Callable[[View], None] | None) -> None:
        self._show = show

    def condition(self) -> Condition:
        status, source, id_changes = self._status, self._image_topic, self._id_changes.count
        if status is None or self._is_tracker_gone:
            tracker = self._tracker
            return Condition(source, f"no node /{tracker}: nothing on /diagnostics", well=False, id_changes=id_changes)
        values = {item.key: item.value for item in status.values}
        well = status.level == DiagnosticStatus.OK
        message = _PAUSED if self._pairing.is_paused else status.message
        return Condition(source, message, well, self._pairing.is_paused, values, id_changes)

    def ask(self, request: Request, tell: Tell) -> None:
        def on_success(response: Any) -> None:
            if response.object_id:
                self._show_view(self._pairing.started(response.object_id))
            tell(Attempt(answer=Answer(response.message, object_id=response.object_id)))

        def make() -> Query.Request:
            return Query.Request(query=query_message(request, Header(frame_id=self._frame_id)))

        self._call(self._query_client, make, tell, on_success)

    def refer(self, reference: requests.Reference, tell: Tell) -> None:
        with self._reporting("the reference is not published", tell):
            if self._references.get_subscription_count() == 0:
                topic = self._references.topic_name
                raise QueryError(f"expected an active node that listens to {topic}; there is none")
            message = reference_message(reference)
            with self._lock:
                message.header.stamp = conversions.time_from_ns(self._unique_stamp())
            key = answer_key(message.header)
            self._give_up(self._open_references.add(key, tell))
            try:
                self._references.publish(message)
            except Exception:
                self._open_references.take(key)  # `tell` gets this failure instead.
                raise

    def reset(self, tell: Tell) -> None:
        since = self._id_changes.since

        def on_success(response: Any) -> None:
            self._id_changes.expect_own(since)
            self._show_view(self._pairing.without_objects())
            tell(Attempt(answer=Answer(f"reset: {response.message}")))

        self._call(self._reset_client, Trigger.Request, tell, on_success)

    def pause(self, paused: bool, tell: Tell) -> None:
        def on_success(response: Any) -> None:
            self._pairing.is_paused = paused
            tell(Attempt(answer=Answer(response.message)))

        self._call(self._pause_client, partial(SetBool.Request, data=paused), tell, on_success)

    # Internals

    @property
    def _tracker(self) -> str:
        """The full name of the tracking node, without the leading slash."""
        return str(self._references.topic_name).strip("/").rpartition("/")[0]

    @property
    def _is_tracker_gone(self) -> bool:
        return time.monotonic() - self._status_time > _DIAGNOSTICS_TIMEOUT

    @property
    def _image_topic(self) -> str:
        topic = self.resolve_topic_name("image")
        return topic if self.config.image_transport == "raw" else f"{topic}/compressed"

    def _output(self, kind: Any, topic: str, qos: QoSProfile) -> Any:
        return self.create_publisher(kind, topic, copy(qos), qos_overriding_options=OVERRIDABLE)

    @contextmanager
    def _reporting(self, outcome: str, tell: Tell) -> Iterator[None]:
        """Guard the work on a request; if it fails, `tell` gets the failed attempt."""
        with self._failures.query(outcome) as attempt:
            yield
        if attempt.error is not None:
            tell(attempt)

    def _unique_stamp(self) -> int:
        """The time now in nanoseconds, by which a reference's answer is recognised; not that of an earlier one."""
        self._stamp_ns = max(time.time_ns(), self._stamp_ns + 1)
        return self._stamp_ns

    def _call(self, client: Any, make: Callable[[], Any], tell: Tell, on_success: Callable[[Any], None]) -> None:
        """Call a service with the request that `make` returns; `on_success` gets the response.

        A refusal goes to `tell`, as does the failure if the service is not available.
        """
        with self._reporting(f"{client.srv_name} is not called", tell):
            if not client.service_is_ready():
                raise QueryError(f"expected a node that serves {client.srv_name}; there is none")
            future = client.call_async(make())
            self._give_up(self._open_calls.add(future, tell))
            future.add_done_callback(partial(self._on_response, client.srv_name, tell, on_success))

    def _on_response(self, name: str, tell: Tell, on_success: Callable[[Any], None], future: Any) -> None:
        self._open_calls.take(future)
        with self._reporting(f"{name} refuses", tell):
            response = future.result()
            if not response.success:
                raise QueryError(response.message)
            on_success(response)

    def _give_up(self, requests: Iterable[OpenRequest]) -> None:
        """Tell those who made requests that no answer came."""
        for request in requests:
            for client in (self._query_client, self._reset_client, self._pause_client):
                client.remove_pending_request(request.key)  # Nothing happens if it is not of this client.
            with self._reporting("a request is given up", request.tell):
                raise QueryError(f"expected an answer from /{self._tracker}; none came")

    # Callbacks, in the executor's thread

    def _give_up_without_tracker(self) -> None:
        if self._is_tracker_gone:  # Newer ones wait: its first diagnostics may be on their way.
            self._give_up(self._open_references.take_older(_DIAGNOSTICS_TIMEOUT))
            self._give_up(self._open_calls.take_older(_DIAGNOSTICS_TIMEOUT))

    def _listen_while_watched(self) -> None:
        if (self._show is not None) == bool(self._inputs):
            return
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        self._inputs = []
        self._pairing.reset()
        if self._show is None:
            return
        kind, convert = Image, conversions.rgb_from_image
        if self.config.image_transport == "compressed":
            kind, convert = CompressedImage, conversions.rgb_from_compressed
        self._input(kind, self._image_topic, partial(self._on_image, convert), qos_profile_sensor_data)
        self._input(Image, "sampt/labels", partial(self._on_result, self._pairing.labels), RELIABLE)
        self._input(TrackedObjects, "sampt/points", partial(self._on_result, self._pairing.objects), RELIABLE)

    def _input(self, kind: Any, topic: str, callback: Callable[[Any], None], qos: QoSProfile) -> None:
        subscription = self.create_subscription(kind, topic, callback, copy(qos), qos_overriding_options=OVERRIDABLE)
        self._inputs.append(subscription)

    def _on_image(self, convert: Callable[..., Any], message: Any) -> None:
        with self._failures.frame("an image is not shown"):
            self._frame_id = message.header.frame_id
            stamp_ns = conversions.stamp_ns(message.header)
            self._show_view(self._pairing.image(stamp_ns, partial(convert, message, grey=self._grey)))

    def _on_result(self, add: Callable[[int, Any], View | None], message: Any) -> None:
        with self._failures.frame("a result is not shown"):
            self._show_view(add(conversions.stamp_ns(message.header), message))

    def _show_view(self, view: View | None) -> None:
        show = self._show
        if view is not None and show is not None:
            show(view)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        name = f"{self._tracker}: stream"
        status = next((status for status in message.status if status.name == name), None)
        if status is None:
            return
        self._status, self._status_time = status, time.monotonic()
        self._pairing.is_paused = status.message == _PAUSED
        self._id_changes.hear({item.key: item.value for item in status.values})
        for item in status.values:
            request = self._open_references.take(item.key)
            if request is not None:
                request.tell(attempt_from_value(item.value))


def query_message(request: Request, header: Header) -> QueryPoints:
    """A QueryPoints message of a request; `header` gives the frame_id, and receives the request's stamp."""
    content = query_fields(request)
    header.stamp = conversions.time_from_ns(request.stamp_ns)
    content["points"] = [QueryPoint(**point) for point in content["points"]]
    return QueryPoints(header=header, **content | {"box": RegionOfInterest(**content.get("box", {}))})


def reference_message(reference: requests.Reference) -> Reference:
    """A Reference message of a reference picture and its mask."""
    mask = None if reference.mask is None else reference.mask.astype("uint8") * 255
    return Reference(
        object_id=reference.object_id,
        image=conversions.image_from_array(reference.image, "rgb8", Header()),
        mask=Image() if mask is None else conversions.image_from_array(mask, "mono8", Header()),
    )
