"""Receives the 3D position of every tracked object, in metres in the camera's optical frame."""

import rclpy
from rclpy.node import Node
from sampt_ros.msg import TrackedObjects


class PositionConsumer(Node):
    def __init__(self) -> None:
        super().__init__("position_consumer")
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_objects, 5)

    def on_objects(self, message: TrackedObjects) -> None:
        for item in message.objects:
            center = item.pose.position  # NaN where the depth image does not show the object
            self.get_logger().info(f"object {item.id}: {center.x:.3f} {center.y:.3f} {center.z:.3f} m")


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(PositionConsumer())
