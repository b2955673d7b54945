"""The node in a thread, and around it what a robot has: a camera, people who click, and somebody who listens."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import Point, PointStamped
from rcl_interfaces.msg import SetParametersResult
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSCompatibility, QoSProfile, qos_check_compatible
from ros_helpers import RELIABLE, Listener, have_met, wait_until
from sampt_ros.msg import QueryPoint, QueryPoints, TrackedObjects
from sensor_msgs.msg import CameraInfo, Image, RegionOfInterest
from std_msgs.msg import Header

from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.ros.conversions import image_from_array, stamp_ns, time_from_ns
from sampt_ros.ros.node import SamptNode
from sampt_ros.tracking.sam_pt import SamPt

CAMERA = "camera_optical_frame"
IMAGE, CAMERA_INFO = "/camera/image_raw", "/camera/camera_info"
START_NS = 1_700_000_000_123_456_789
FRAME_NS = 33_333_333
HEIGHT, WIDTH = 48, 64
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PATIENCE = 30.0  # seconds, for a machine that does a lot besides


class GatedSegmenter(SquareSegmenter):
    """Encodes an image only while `gate` is open, and takes `delay` seconds; `entered` says that it was asked to.

    Raises `error` once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = threading.Event(), threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.delay = 0.0

    def encode(self, frame):
        self.entered.set()
        self.gate.wait()
        time.sleep(self.delay)
        error, self.error = self.error, None
        if error is not None:
            raise error
        return super().encode(frame)


class Harness:
    """The node, with a DriftingTracker and a GatedSegmenter unless `build` is given, and its surroundings.

    masks, labels, points  messages that came, by stamp in nanoseconds
    """

    def __init__(self, build: Callable[..., Any] | None = None, args: Iterable[str] = (), **parameters: Any) -> None:
        """parameters: by name, with __ for the dot."""
        self.segmenter, self.tracker = GatedSegmenter(), DriftingTracker()
        self.masks: dict[int, Image] = {}
        self.labels: dict[int, Image] = {}
        self.points: dict[int, TrackedObjects] = {}
        self.on_mask: Callable[[int], object] = lambda stamp: None
        self._stamps = count(START_NS, FRAME_NS)
        self._publishers: dict[str, Any] = {}
        self._subscriptions: dict[str, Any] = {}
        self._listener = Listener()
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = SamptNode(
            build or (lambda config: SamPt(config, self.segmenter, self.tracker)),
            context=self._context,
            parameter_overrides=[Parameter(name.replace("__", "."), value=value) for name, value in parameters.items()],
            cli_args=["--ros-args", "-r", f"image:={IMAGE}", "-r", f"camera_info:={CAMERA_INFO}", *args],
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()
        self.reports: list[DiagnosticArray] = []
        for kind, topic, keep in (
            (DiagnosticArray, "/diagnostics", self.reports.append),
            (Image, "/sampt/mask", partial(self._keep, self.masks)),
            (Image, "/sampt/labels", partial(self._keep, self.labels)),
            (TrackedObjects, "/sampt/points", partial(self._keep, self.points)),
        ):
            self._subscriptions[topic] = self._listener.node.create_subscription(kind, topic, keep, RELIABLE)

    def close(self) -> None:
        self.segmenter.gate.set()
        rclpy.shutdown(context=self._context)
        self._thread.join()
        self._executor.shutdown()
        self.node.stop()
        self.node.destroy_node()
        self._listener.close()

    def _keep(self, kept: dict[int, Any], message: Any) -> None:
        kept[stamp_ns(message.header)] = message
        if kept is self.masks:
            self.on_mask(stamp_ns(message.header))

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()

    # The camera

    def send(self, image: np.ndarray | Image | None = None, stamp: int | None = None, frame_id: str = CAMERA) -> int:
        """Publish a frame (default: a black one) and return its stamp (default: one frame after the last)."""
        stamp = self.next_stamp() if stamp is None else stamp
        if not isinstance(image, Image):
            image = image_from_array(blank(HEIGHT, WIDTH) if image is None else image, "rgb8", Header())
        image.header = Header(stamp=time_from_ns(stamp), frame_id=frame_id)
        self.publish(IMAGE, image)
        return stamp

    def next_stamp(self) -> int:
        return next(self._stamps)

    def track(self, image: np.ndarray | Image | None = None, **options: Any) -> SimpleNamespace:
        """Publish a frame and return what the node makes of it: stamp, mask, labels, objects by id."""
        return self.result(self.send(image, **options))

    def result(self, stamp: int) -> SimpleNamespace:
        """What the node published for a frame."""
        outputs = (self.masks, self.labels, self.points)
        wait_for(lambda: all(stamp in output for output in outputs), f"no result for the frame {stamp}")
        objects = {item.id: item for item in self.points[stamp].objects}
        mask, labels = as_array(self.masks[stamp]), as_array(self.labels[stamp])
        return SimpleNamespace(stamp=stamp, mask=mask, labels=labels, objects=objects)

    def send_camera_info(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        """Publish the CameraInfo of a camera of 64 pixels focal length, and wait until the node has it."""
        centre = ((width - 1) / 2, (height - 1) / 2)
        k = [64.0, 0.0, centre[0], 0.0, 64.0, centre[1], 0.0, 0.0, 1.0]
        self.publish(CAMERA_INFO, CameraInfo(header=Header(frame_id=CAMERA), width=width, height=height, k=k))
        wait_for(lambda: self.node._stream.depth_queue.camera is not None, "the node does not see the CameraInfo")

    # People

    def query(
        self,
        *points: tuple[float, ...],
        action: int = QueryPoints.ADD,
        id: int = 0,
        box: tuple[int, int, int, int] = (0, 0, 0, 0),
        mask: np.ndarray | None = None,
        stamp: int = 0,
        frame_id: str = CAMERA,
    ) -> None:
        """Ask on ~/query_points; a point is (x, y), or (x, y, label); a box is (x, y, width, height)."""
        x, y, width, height = box
        message = QueryPoints(
            header=Header(stamp=time_from_ns(stamp), frame_id=frame_id),
            action=action,
            object_id=id,
            points=[QueryPoint(x=float(x), y=float(y), label=int((*rest, 1)[0])) for x, y, *rest in points],
            box=RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height),
        )
        if mask is not None:
            message.mask = image_from_array(mask, "mono8", Header())
        self.publish("/sampt/query_points", message)

    def start_object(self, *points: tuple[float, ...], **options: Any) -> None:
        """A query that must be accepted."""
        accepted = int(self.diagnostics()["queries_accepted"])
        self.query(*points, **options)
        self.wait_for_count("queries_accepted", accepted + 1)

    def click_3d(self, xyz: tuple[float, float, float], frame_id: str, label: int = POSITIVE, stamp: int = 0) -> None:
        """RViz's Publish Point."""
        topic = {POSITIVE: "/clicked_point", NEGATIVE: "/sampt/clicked_background"}[label]
        header = Header(stamp=time_from_ns(stamp), frame_id=frame_id)
        self.publish(topic, PointStamped(header=header, point=Point(x=xyz[0], y=xyz[1], z=xyz[2])))

    def click_in_view(self, x: float, y: float, view: str = IMAGE) -> None:
        """A click in rqt_image_view, which shows the topic `view`."""
        self.publish(f"{view}_mouse_left", Point(x=float(x), y=float(y)))

    # Whoever listens

    def diagnostics(self) -> dict[str, str]:
        """The values of /diagnostics now, with its level and message, not those of up to a second ago."""
        arrived = len(self.reports)
        wait_for(
            lambda: have_met(self.publisher("/diagnostics"), self._subscriptions["/diagnostics"]),
            "nobody hears /diagnostics",
        )
        self.node._publish_diagnostics()
        wait_for(lambda: len(self.reports) > arrived, "no diagnostics")
        (status,) = self.reports[-1].status
        assert status.name == "sampt: stream"
        values = {pair.key: pair.value for pair in status.values}
        return {
            "level": {DiagnosticStatus.OK: "OK", DiagnosticStatus.WARN: "WARN", DiagnosticStatus.ERROR: "ERROR"}[
                status.level
            ],
            "message": status.message,
            **values,
        }

    def wait_for_count(self, what: str, expected: int) -> str:
        """Wait until the diagnostics count so many of `what`; returns the last reason."""
        wait_for(lambda: int(self.diagnostics()[what]) >= expected, lambda: f"{what}: {self.diagnostics()}")
        values = self.diagnostics()
        assert int(values[what]) == expected
        return values.get(f"last reason of {what}", "")

    def listen(self, kind: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile = RELIABLE) -> Any:
        """Subscribe, and wait until this and the node's publisher of the topic have met."""
        publisher = self.publisher(topic)
        known = publisher.get_subscription_count()
        subscription = self._listener.node.create_subscription(kind, topic, callback, qos)
        wait_for(
            lambda: publisher.get_subscription_count() > known and have_met(publisher, subscription),
            f"the node sees nobody listen to {topic}",
        )
        return subscription

    def stop_listening(self, subscription: Any) -> None:
        """Unsubscribe, in the thread that may be waiting for this topic, and wait until the node knows."""
        publisher = self.publisher(subscription.topic_name)
        known = publisher.get_subscription_count()
        self._listener.node.executor.create_task(self._listener.node.destroy_subscription, subscription)
        wait_for(lambda: publisher.get_subscription_count() < known, "the node believes that somebody still listens")

    def publisher(self, topic: str) -> Any:
        """The node's own."""
        return next(publisher for publisher in self.node.publishers if publisher.topic_name == topic)

    def latch(self, topic: str, message: Any) -> None:
        """Publish transient local: who listens later hears it too."""
        publisher = self._listener.node.create_publisher(type(message), topic, LATCHED)
        self._publishers[topic] = publisher
        publisher.publish(message)

    def publish(self, topic: str, message: Any) -> None:
        """Publish to the node, once both sides know of each other."""
        if topic not in self._publishers:
            publisher = self._publishers[topic] = self._listener.node.create_publisher(type(message), topic, RELIABLE)
            subscription = next(inlet for inlet in self.node.subscriptions if inlet.topic_name == topic)
            wait_for(lambda: have_met(publisher, subscription), f"nobody hears {topic}")
        self._publishers[topic].publish(message)

    # Transitions, parameters, services

    def in_node(self, act: Callable[[], Any]) -> Any:
        """What `act` returns, called in the node's own thread between two callbacks."""
        task = self._executor.create_task(act)
        wait_for(task.done, "the node's thread is busy")
        return task.result()

    def change_state(self, transition: str) -> bool:
        """Whether a transition (configure, activate, deactivate, cleanup, shutdown) was a success."""
        return self.in_node(getattr(self.node, f"trigger_{transition}")) == TransitionCallbackReturn.SUCCESS

    def start(self) -> Harness:
        """Configure and activate; whoever listens here and the node have met then."""
        assert self.change_state("configure"), self.diagnostics()["message"]
        assert self.change_state("activate")
        for topic, subscription in self._subscriptions.items():
            publisher = self.publisher(topic)
            compatible, _ = qos_check_compatible(publisher.qos_profile, subscription.qos_profile)
            if compatible != QoSCompatibility.ERROR:
                wait_for(partial(have_met, publisher, subscription), f"nobody listens to {topic}")
        return self

    @property
    def state(self) -> str:
        return self.node._state_machine.current_state[1]

    def set_parameter(self, name: str, value: Any) -> SetParametersResult:
        (result,) = self.in_node(lambda: self.node.set_parameters([Parameter(name, value=value)]))
        return result

    def call(self, kind: type, name: str, request: Any = None) -> Any:
        """The answer of one of the node's services."""
        return call(self._listener.node, kind, f"/sampt/{name}", request)


def call(client_node: Any, kind: type, name: str, request: Any = None) -> Any:
    """The answer to a service call; asks again where DDS loses the first one, as it may when both have just met."""
    client = client_node.create_client(kind, name)
    assert client.wait_for_service(PATIENCE)
    asked: list[Any] = []

    def answered() -> bool:
        asked.append(client.call_async(request or kind.Request()))
        return wait_until(lambda: any(future.done() for future in asked), 0.5)

    wait_for(answered, f"no answer from {name}")
    return next(future.result() for future in asked if future.done())


def wait_for(condition: Callable[[], object], otherwise: str | Callable[[], str]) -> None:
    """Wait until `condition` is true; fail with `otherwise` if it does not become so."""
    if not wait_until(condition, PATIENCE):
        pytest.fail(otherwise if isinstance(otherwise, str) else otherwise())


def as_array(message: Image) -> np.ndarray:
    """The pixels of a mono8, mono16 or rgb8 message."""
    kind = np.uint16 if message.encoding == "mono16" else np.uint8
    shape = (message.height, message.width, *((3,) if message.encoding == "rgb8" else ()))
    return np.frombuffer(message.data, kind).reshape(shape)


def raw_image(
    encoding: str, data: bytes, step: int, width: int = WIDTH, height: int = HEIGHT, big: bool = False
) -> Image:
    """An image message with exactly these contents."""
    return Image(height=height, width=width, encoding=encoding, is_bigendian=big, step=step, data=array("B", data))


def middle(mask: np.ndarray) -> tuple[float, float]:
    """(x, y) in the middle of a mask's pixels."""
    y, x = np.nonzero(mask)
    return float(x.mean()), float(y.mean())


def near(x: float, y: float) -> Any:
    """Equals the middle of a mask at (x, y), in pixels: the drawn squares are not quite symmetric around it."""
    return pytest.approx((x, y), abs=1.01)
