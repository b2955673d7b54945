"""Tracks what a YOLO detector finds: a box that lies on no tracked object starts one, under the name of its class.

pip install ultralytics && python examples/detector.py yolo11n.pt cup bottle
"""

import sys
import time
from collections import deque

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sampt_ros.msg import QueryPoints, TrackedObjects
from sampt_ros.srv import Query
from sensor_msgs.msg import Image, RegionOfInterest
from ultralytics import YOLO

PERIOD = 1.0  # seconds between detections, if they take less: between them objects are tracked
MOST_OVERLAP = 0.3  # IoU of a box with a tracked object's, above which it shows that object
PATIENCE = 5.0  # seconds until a query counts as one that a node did not live to answer
STALE = 2  # messages of tracked objects that may be under way, from before an answer
TOO_OLD = "expected the stamp of an image kept"  # the node's answer to a query on an image older than its `history`


class Detector(Node):
    def __init__(self, weights: str, *wanted: str) -> None:
        super().__init__("detector")
        self._model, self._wanted = YOLO(weights), wanted
        self._images: deque[Image] = deque(maxlen=30)  # that may be tracked yet
        self._known: tuple[Image, list[np.ndarray]] | None = None  # an image, and the boxes of what is tracked in it
        self._asked: dict[Future[Query.Response], float] = {}  # what is not answered yet, and when it was asked
        self._stale = 0  # messages of tracked objects that may lack what was just started
        self._query = self.create_client(Query, "/sampt/query")
        self.create_subscription(Image, "/camera/image_raw", self.on_image, qos_profile_sensor_data)
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_objects, 1)
        self.create_timer(PERIOD, self.detect)

    def on_image(self, message: Image) -> None:
        self._images.append(message)

    def on_objects(self, message: TrackedObjects) -> None:
        """Keep the newest image of which it is known what is tracked in it, what was just started included."""
        now = time.monotonic()
        self._asked = {answer: asked for answer, asked in self._asked.items() if now - asked < PATIENCE}
        if self._asked or self._stale:
            self._stale = max(self._stale - 1, 0)
            return
        for image in self._images:
            if image.header == message.header:
                self._known = image, [corners(item.box) for item in message.objects]

    def detect(self) -> None:
        if not self._query.service_is_ready():
            self._asked.clear()  # A node that has ended does not answer.
            return
        if self._known is None:
            return
        (image, taken), self._known = self._known, None
        begun = time.monotonic()
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)  # rgb8 or bgr8
        (found,) = self._model(pixels[..., ::-1] if image.encoding == "rgb8" else pixels, verbose=False)
        took = time.monotonic() - begun
        for box, number in zip(np.asarray(found.boxes.xyxy.cpu()), np.asarray(found.boxes.cls.cpu(), int)):
            name = found.names[number]
            if name in self._wanted and all(overlap(box, other) < MOST_OVERLAP for other in taken):
                taken.append(box)
                self.start(box, name, image, took)

    def start(self, box: np.ndarray, name: str, image: Image, took: float) -> None:
        """Ask for the object in a box, on the image that the detector saw `took` seconds ago.

        The node keeps images for its parameter `history`, which has to be longer than that.
        """
        left, top, right, bottom = np.rint(box).astype(int).clip(0).tolist()
        region = RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)
        answered = self._query.call_async(Query.Request(query=QueryPoints(header=image.header, box=region)))
        self._asked[answered] = time.monotonic()
        answered.add_done_callback(lambda answer: self.on_answer(name, took, answer))

    def on_answer(self, name: str, took: float, answer: Future[Query.Response]) -> None:
        self._asked.pop(answer, None)
        self._stale = STALE
        response = answer.result()
        if response.success:
            self.get_logger().info(f"object {response.object_id} is a {name}: {response.message}")
            return
        advice = ""
        if response.message.startswith(TOO_OLD):
            advice = (
                f" (the detector took {took:.1f} s, which is longer than the node keeps images: raise its parameter, "
                f"as with `ros2 param set /sampt history {np.ceil(2 * took):.1f}`)"
            )
        self.get_logger().warning(f"a {name} is not tracked: {response.message}{advice}")


def corners(box: RegionOfInterest) -> np.ndarray:
    """(4,): left, top, right, bottom of a box."""
    return np.array([box.x_offset, box.y_offset, box.x_offset + box.width, box.y_offset + box.height])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes, each left, top, right, bottom."""
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    shared = float(np.prod(sides.clip(0)))
    return shared / max(float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - shared, 1e-9)


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(Detector(*sys.argv[1:]))
