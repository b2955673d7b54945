"""A camera that plays the demo's video, and a consumer that checks what comes back."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sampt_ros.msg import QueryPoints, Reference, TrackedObjects
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.io.video import open_source
from sampt_ros.ros.conversions import image_from_array, stamp_ns, time_from_ns

DEMO = Path(__file__).resolve().parents[2] / "examples/demo"
CAMERA = "camera_optical_frame"
FPS = 15.0
SHIFT = 12  # frames; masks fit the true frame better than one so far off
_KEPT = 400  # sent images whose masks may still come


@dataclass
class Sent:
    """An image that was sent: its number in the video, (height, width), and whether it can be used."""

    frame: int
    size: tuple[int, int]
    good: bool


@dataclass
class Findings:
    """What came back."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    overlap: dict[int, list[float]] = field(default_factory=lambda: {0: [], -SHIFT: [], SHIFT: []})
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds, MiB


class Robot(Node):
    """The camera and the consumer around a node that runs in another process."""

    def __init__(self) -> None:
        super().__init__("robot")
        self.found = Findings()
        with open_source(str(DEMO / "tabletop.mp4")) as video:
            self.images = list(video)
        self.truth = np.load(DEMO / "tabletop_labels.npz")["labels"]
        self.sent: OrderedDict[int, Sent] = OrderedDict()
        self.ids: list[int] = []
        self.frame, self.stamp_ns, self.scale = 0, time.time_ns(), 1.0
        self.silent_until = 0.0
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.camera = self.create_publisher(Image, "/camera/image_raw", best_effort)
        self.query = self.create_publisher(QueryPoints, "/sampt/query_points", 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.reference = self.create_publisher(Reference, "/sampt/reference", latched)
        self.create_subscription(Image, "/sampt/mask", self.on_mask, 10)
        self.create_subscription(Image, "/sampt/labels", self.on_labels, 10)
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_points, 10)

    # --- the camera ---

    def send_image(self) -> None:
        """The next frame of the video, unless the camera is silent."""
        if time.monotonic() < self.silent_until:
            return
        self.frame = (self.frame + 1) % len(self.images)
        self.stamp_ns += int(1e9 / FPS)
        picture = self.images[self.frame]
        if self.scale != 1:
            picture = cv2.resize(picture, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA)
        self.publish(image_from_array(picture, "rgb8", Header()), good=True)

    def publish(self, image: Image, good: bool) -> None:
        image.header = Header(stamp=time_from_ns(self.stamp_ns), frame_id=CAMERA)
        self.sent[self.stamp_ns] = Sent(self.frame, (image.height, image.width), good)
        while len(self.sent) > _KEPT:
            self.sent.popitem(last=False)
        self.camera.publish(image)
        self.found.counts["images" if good else "damaged images"] += 1

    # --- what comes back ---

    def matching(self, message: Any, what: str) -> Sent | None:
        """The image that a message belongs to; else it is noted as wrong."""
        self.found.counts[what] += 1
        sent = self.sent.get(stamp_ns(message.header))
        if sent is None or not sent.good or message.header.frame_id != CAMERA:
            self.found.wrong.append(f"{what} with a header that no good image had: {message.header}")
        return sent

    def on_mask(self, message: Image) -> None:
        sent = self.matching(message, "masks")
        if sent and (message.height, message.width) != sent.size:
            self.found.wrong.append(f"mask of {message.height}x{message.width} for an image of {sent.size}")

    def on_labels(self, message: Image) -> None:
        sent = self.matching(message, "labels")
        if sent is None or (message.height, message.width) != self.truth.shape[1:]:
            return
        labels = np.frombuffer(message.data, "<u2").reshape(message.height, message.width)
        now = self.truth[sent.frame]
        for name in np.unique(labels[labels > 0]):
            mask = labels == name
            objects = np.bincount(now[mask], minlength=2)[1:]
            thing = 1 + int(objects.argmax())
            if objects[thing - 1] < 0.5 * mask.sum():
                continue  # a click on the table, or a drifted object: it says nothing of time
            for shift, overlaps in self.found.overlap.items():
                other = self.truth[(sent.frame + shift) % len(self.truth)] == thing
                overlaps.append(region_similarity(other, mask))

    def on_points(self, message: TrackedObjects) -> None:
        self.matching(message, "points")
        self.ids = [item.id for item in message.objects]

    def settle(self, seconds: float) -> None:
        """Listen for a while without sending."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            rclpy.spin_once(self, timeout_sec=0.05)
