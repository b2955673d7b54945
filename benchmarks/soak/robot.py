"""A camera that plays the demo's video, and a subscriber that checks the node's outputs."""

from __future__ import annotations

import importlib.util
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import rclpy
from geometry_msgs.msg import PointStamped, PoseArray, Quaternion, Transform, TransformStamped, Vector3
from rcl_interfaces.msg import Log
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sampt_ros.msg import QueryPoints, Reference, TrackedObjects
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.io.video import open_source
from sampt_ros.ros.conversions import image_from_array, time_from_ns

DEMO = Path(__file__).resolve().parents[2] / "examples/demo"
CAMERA, WORLD = "camera_optical_frame", "map"
FPS = 15.0
FOCAL = 600.0  # pixels
TABLE, THING = 1.0, 0.8  # metres: depth of the table, and of the things on it
SHIFT = 12  # Masks must fit the true masks of their own frame better than those of this many frames earlier or later.
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_KEPT = 400  # number of the latest images that are remembered, because their masks may still come
_AWAKE = 2.0  # The node is tracking if a mask came within the last two seconds.

Stamp = tuple[int, int]  # seconds and nanoseconds, which need not be below a second


@dataclass
class Sent:
    """An image that was sent.

    frame      its number in the video
    size       (height, width)
    is_usable  whether the node may track it
    is_odd     whether it is valid, but unlike those before, so that the node may take it for a change of the stream
    at         when it was sent, time.monotonic() seconds
    """

    frame: int
    size: tuple[int, int]
    is_usable: bool
    is_odd: bool
    at: float


class Look(NamedTuple):
    """The node's memory at one time: seconds since the start, MiB, and what it held then: objects, and image size."""

    seconds: float
    mib: float
    objects: int
    scale: float  # of the images' sides


@dataclass
class Findings:
    """What was observed.

    counts    number of events of each kind
    wrong     everything that must not happen
    overlap   J of masks with the true masks of their own frame, and of SHIFT frames earlier and later
    memory    of the node's process, every two seconds
    refusals  number of refusals by reason, without the numbers in it
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    overlap: dict[int, list[float]] = field(default_factory=lambda: {0: [], -SHIFT: [], SHIFT: []})
    memory: list[Look] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)


@dataclass
class Loop:
    """The state of stamps that start again and again, like those of a recording that is played in a loop."""

    start_ns: int
    frame: int
    length: int  # frames of one round
    left: int  # rounds still to be played
    played: int = 0  # frames of this round


class Robot(Node):
    """The camera and the subscriber around a node that runs in another process."""

    def __init__(self) -> None:
        super().__init__("robot")
        self.found = Findings()
        with open_source(str(DEMO / "tabletop.mp4")) as video:
            self.images = list(video)
        self.truth = np.load(DEMO / "tabletop_labels.npz")["labels"]
        self.sent: OrderedDict[Stamp, Sent] = OrderedDict()
        self.ids: list[int] = []
        self.log: list[str] = []  # log messages of the node, oldest first
        self.labels: tuple[Stamp, np.ndarray] | None = None  # the newest label image
        self.frame, self.stamp_ns, self.scale = 0, time.time_ns(), 1.0
        self.silent_until = self.next_image = 0.0
        self.loop: Loop | None = None
        self.every_frame: Callable[[], None] = lambda: None
        self._changed_at: float | None = None  # when the stream changed, if the node may not have noticed it yet
        self._masks_since = 0  # number of masks of good images that were sent after that
        self._masked_at = -np.inf
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.camera = self.create_publisher(Image, "/camera/image_raw", best_effort)
        self.camera_info = self.create_publisher(CameraInfo, "/camera/camera_info", 5)
        self.depth = self.create_publisher(Image, "/camera/depth", 5)
        self.query = self.create_publisher(QueryPoints, "/sampt/query_points", 1000)
        self.reference = self.create_publisher(Reference, "/sampt/reference", LATCHED)
        self.clicked_point = self.create_publisher(PointStamped, "/clicked_point", 10)
        self.transforms: Any = None  # None without tf2_ros
        if importlib.util.find_spec("tf2_ros") is not None:
            self.transforms = importlib.import_module("tf2_ros").TransformBroadcaster(self)
        self.create_subscription(Image, "/sampt/mask", self.on_mask, 10)
        self.create_subscription(Image, "/sampt/labels", self.on_labels, 10)
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_points, 10)
        self.create_subscription(PointCloud2, "/sampt/cloud", lambda cloud: self.matching(cloud, "clouds"), 10)
        self.create_subscription(PoseArray, "/sampt/object_poses", lambda poses: self.matching(poses, "poses"), 10)
        self.create_subscription(Log, "/rosout", self.on_log, 2000)

    # Main loop

    def play(self, seconds: float, until: Callable[[], bool] = lambda: False, sends: bool = True) -> bool:
        """Send images and receive messages for some seconds, or until `until` is true; returns whether it is.

        sends: whether to send images
        """
        end = time.monotonic() + seconds
        while not (over := until()) and time.monotonic() < end:
            now = time.monotonic()
            if sends and now >= self.next_image:
                self.send_image()
                self.next_image = max(self.next_image + 1 / FPS, now)
            self.every_frame()
            wait = (self.next_image if sends else now + 0.05) - time.monotonic()
            rclpy.spin_once(self, timeout_sec=max(0.0, min(wait, end - now)))
        return over

    # The camera

    def send_image(self) -> None:
        """Send the next frame of the video, unless the camera is silent."""
        if time.monotonic() < self.silent_until:
            return
        self.frame = (self.frame + 1) % len(self.images)
        self.stamp_ns += int(1e9 / FPS)
        if self.loop is not None:
            self._follow_loop(self.loop)
        picture = self.images[self.frame]
        if self.scale != 1:
            picture = cv2.resize(picture, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA)
        self._send_surroundings()
        self.publish(image_from_array(picture, "rgb8", Header()))

    def publish(self, image: Image, is_usable: bool = True, is_odd: bool = False, stamp: Stamp | None = None) -> None:
        """Send an image with the stamp that is due, or with another one.

        is_usable  False if the node must not publish anything for it
        is_odd     True if the node must not publish anything for it, unless the stream is changing just now
        """
        stamp = stamp or divmod(self.stamp_ns, 1_000_000_000)
        if is_odd:
            is_usable = self.is_changing
            self.change()  # If the next one is odd, too, the node may take both for a change.
        image.header = Header(frame_id=CAMERA)
        image.header.stamp.sec, image.header.stamp.nanosec = stamp
        self.sent[stamp] = Sent(self.frame, (image.height, image.width), is_usable, is_odd, time.monotonic())
        self.sent.move_to_end(stamp)
        while len(self.sent) > _KEPT:
            self.sent.popitem(last=False)
        self.camera.publish(image)
        self.found.counts["odd images" if is_odd else "images" if is_usable else "damaged images"] += 1

    def change(self) -> None:
        """Note that the stream changes, by a jump or a reset: until the node has noticed, odd images may be tracked."""
        self._changed_at, self._masks_since = time.monotonic(), 0

    @property
    def is_changing(self) -> bool:
        """Whether the node may not have noticed the latest change of the stream yet."""
        return self._changed_at is not None or self.silence > _AWAKE

    @property
    def silence(self) -> float:
        """Seconds since the last mask; infinite before the first."""
        return time.monotonic() - self._masked_at

    def pose(self, stamp: Stamp) -> tuple[np.ndarray, np.ndarray]:
        """The camera's pose in the world at a time: quaternion (4,) x y z w, and position (3,) in metres."""
        seconds = stamp[0] % 10_000 + stamp[1] / 1e9
        half_turn = 0.1 * np.sin(seconds)
        axis = np.array([0.0, 0.0, np.sin(half_turn), np.cos(half_turn)])
        return axis, np.array([0.4 * np.sin(seconds / 2), 0.2 * np.cos(seconds / 3), 0.1])

    def _send_surroundings(self) -> None:
        """Send what belongs to an image: depth, CameraInfo, and the camera's transform."""
        stamp = divmod(self.stamp_ns, 1_000_000_000)
        header = Header(stamp=time_from_ns(self.stamp_ns), frame_id=CAMERA)
        labels = self.truth[self.frame]
        if self.scale != 1:
            labels = cv2.resize(labels, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_NEAREST)
        height, width = labels.shape
        millimetres = np.where(labels > 0, 1000 * THING, 1000 * TABLE).astype(np.uint16)
        depth = image_from_array(millimetres, "mono16", header)
        depth.encoding = "16UC1"
        self.depth.publish(depth)
        focal, centre = self.scale * FOCAL, ((width - 1) / 2, (height - 1) / 2)
        k = [focal, 0.0, centre[0], 0.0, focal, centre[1], 0.0, 0.0, 1.0]
        self.camera_info.publish(CameraInfo(header=header, width=width, height=height, k=k))
        if self.transforms is not None:
            (x, y, z, w), move = self.pose(stamp)
            transform = Transform(translation=Vector3(**dict(zip("xyz", move.tolist()))))
            transform.rotation = Quaternion(x=x, y=y, z=z, w=w)
            world = Header(stamp=header.stamp, frame_id=WORLD)
            self.transforms.sendTransform(TransformStamped(header=world, child_frame_id=CAMERA, transform=transform))

    def _follow_loop(self, loop: Loop) -> None:
        loop.played += 1
        if loop.played < loop.length:
            return
        loop.played, loop.left = 0, loop.left - 1
        self.stamp_ns, self.frame = loop.start_ns, loop.frame
        self.change()
        if loop.left == 0:
            self.loop = None

    # The node's outputs

    def matching(self, message: Any, what: str) -> Sent | None:
        """The sent image with a message's header, or None; a header of no usable image is noted as wrong."""
        self.found.counts[what] += 1
        sent = self.sent.get((message.header.stamp.sec, message.header.stamp.nanosec))
        if sent is None or not sent.is_usable or message.header.frame_id != CAMERA:
            self.found.wrong.append(f"{what} with a header that no good image had: {message.header}; sent: {sent}")
        return sent

    def on_mask(self, message: Image) -> None:
        sent = self.matching(message, "masks")
        if sent is None:
            return
        self._masked_at = time.monotonic()
        if (message.height, message.width) != sent.size:
            self.found.wrong.append(f"mask of {message.height}x{message.width} for an image of {sent.size}")
        if self._changed_at is not None and sent.at > self._changed_at and not sent.is_odd:
            self._masks_since += 1
            if self._masks_since == 2:  # The first one may have been tracked before a reset was carried out.
                self._changed_at = None

    def on_labels(self, message: Image) -> None:
        sent = self.matching(message, "labels")
        if sent is None or (message.height, message.width) != self.truth.shape[1:]:
            return
        labels = np.frombuffer(message.data, "<u2").reshape(message.height, message.width)
        self.labels = ((message.header.stamp.sec, message.header.stamp.nanosec), labels)
        now = self.truth[sent.frame]
        for name in np.unique(labels[labels > 0]):
            mask = labels == name
            thing, share = self.thing_under(mask, now)
            if share < 0.5:
                continue  # The click was on the table, or the object has drifted: its fit cannot be measured.
            for shift, overlaps in self.found.overlap.items():
                other = self.truth[(sent.frame + shift) % len(self.truth)] == thing
                overlaps.append(region_similarity(other, mask))

    @staticmethod
    def thing_under(mask: np.ndarray, truth: np.ndarray) -> tuple[int, float]:
        """The thing under most pixels of a mask (H, W) bool, and its share of the mask."""
        counts = np.bincount(truth[mask], minlength=2)[1:]
        return 1 + int(counts.argmax()), int(counts.max()) / max(1, int(np.count_nonzero(mask)))

    def on_points(self, message: TrackedObjects) -> None:
        self.matching(message, "points")
        self.ids = [item.id for item in message.objects]

    def on_log(self, message: Log) -> None:
        """Keep the node's log messages; a fault, an error, and a refusal without a reason are noted as wrong."""
        if message.name != "sampt":
            return
        self.log.append(message.msg)
        if message.level >= 40 or "because of a fault" in message.msg:  # 40: an error
            self.found.wrong.append(f"the node says: {message.msg}")
        if refused := re.match(r"(.*(?:refused|dropped|ignored|searched for again|published)): *(.*)", message.msg):
            if not refused[2]:
                self.found.wrong.append(f"a refusal without a reason: {message.msg}")
            self.found.refusals[re.sub(r"[\d.,-]*\d", "#", f"{refused[1]}: {refused[2]}")[:160]] += 1
