"""Tracks what a YOLO detector finds: a box that lies on no tracked object starts one, under the name of its class.

pip install ultralytics && python examples/detector.py yolo11n.pt cup bottle
"""

import sys

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.task import Future
from sampt_ros.msg import QueryPoints, TrackedObjects
from sampt_ros.srv import Query
from sensor_msgs.msg import Image, RegionOfInterest
from ultralytics import YOLO

PERIOD = 1.0  # seconds between detections: between them objects are tracked
MOST_OVERLAP = 0.3  # IoU of a box with a tracked object's, above which it shows that object


class Detector(Node):
    def __init__(self, weights: str, *wanted: str) -> None:
        super().__init__("detector")
        self._model, self._wanted = YOLO(weights), wanted
        self._image: Image | None = None
        self._tracked: list[np.ndarray] = []
        self._query = self.create_client(Query, "/sampt/query")
        self.create_subscription(Image, "/camera/image_raw", self.on_image, qos_profile_sensor_data)
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_objects, 5)
        self.create_timer(PERIOD, self.detect)

    def on_image(self, message: Image) -> None:
        self._image = message

    def on_objects(self, message: TrackedObjects) -> None:
        self._tracked = [corners(item.box) for item in message.objects]

    def detect(self) -> None:
        image = self._image  # rgb8 or bgr8
        if image is None or not self._query.service_is_ready():
            return
        pixels = np.frombuffer(image.data, np.uint8).reshape(image.height, image.width, 3)
        (found,) = self._model(pixels[..., ::-1] if image.encoding == "rgb8" else pixels, verbose=False)
        for box, number in zip(np.asarray(found.boxes.xyxy.cpu()), np.asarray(found.boxes.cls.cpu(), int)):
            name = found.names[number]
            if name in self._wanted and all(overlap(box, other) < MOST_OVERLAP for other in self._tracked):
                self.start(box, name, image)

    def start(self, box: np.ndarray, name: str, image: Image) -> None:
        """Ask for the object in a box, on the image that the detector saw, however long that took."""
        left, top, right, bottom = np.rint(box).astype(int).clip(0).tolist()
        region = RegionOfInterest(x_offset=left, y_offset=top, width=right - left, height=bottom - top)
        answered = self._query.call_async(Query.Request(query=QueryPoints(header=image.header, box=region)))
        answered.add_done_callback(lambda answer: self.on_answer(name, answer))

    def on_answer(self, name: str, answer: Future[Query.Response]) -> None:
        response = answer.result()
        what = f"object {response.object_id} is a {name}" if response.success else f"a {name} is not tracked"
        self.get_logger().info(f"{what}: {response.message}")


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
