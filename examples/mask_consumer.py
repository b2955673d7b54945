"""Receives the mask of every image: the starting point for a grasp planner, or for anything else that needs one."""

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image


class MaskConsumer(Node):
    def __init__(self) -> None:
        super().__init__("mask_consumer")
        self.create_subscription(Image, "/sampt/mask", self.on_mask, 5)

    def on_mask(self, message: Image) -> None:
        mask = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width) > 0
        stamp = message.header.stamp  # exactly that of the camera image that the mask belongs to
        self.get_logger().info(f"{mask.sum()} object pixels in the image of {stamp.sec}.{stamp.nanosec:09} s")


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(MaskConsumer())
