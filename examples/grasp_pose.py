"""Publishes where a gripper grasps object 1, and where it waits before: poses that MoveIt takes as goals.

python examples/grasp_pose.py /grasp /pregrasp
"""

import math
import sys

import numpy as np
import rclpy
from geometry_msgs.msg import Point, Pose, PoseStamped, Quaternion
from rclpy.node import Node
from sampt_ros.msg import TrackedObjects

OBJECT = 1
DISTANCE = 0.10  # metres before the object, where the gripper waits


class GraspPose(Node):
    def __init__(self, grasp: str = "/grasp", pregrasp: str = "/pregrasp") -> None:
        super().__init__("grasp_pose")
        self._grasp = self.create_publisher(PoseStamped, grasp, 1)
        self._pregrasp = self.create_publisher(PoseStamped, pregrasp, 1)
        self.create_subscription(TrackedObjects, "/sampt/points", self.on_objects, 5)

    def on_objects(self, message: TrackedObjects) -> None:
        for item in message.objects:
            if item.id == OBJECT and not math.isnan(item.pose.position.x):
                self._grasp.publish(PoseStamped(header=message.header, pose=gripper_pose(item.pose)))
                self._pregrasp.publish(PoseStamped(header=message.header, pose=gripper_pose(item.pose, DISTANCE)))


def gripper_pose(seen: Pose, distance: float = 0.0) -> Pose:
    """A gripper before an object that is seen like this, metres from it.

    Its z axis points at the object, against the object's z, which points at the camera. Its fingers close along y,
    across the longest extent of what is seen.
    """
    x, y, z, w = seen.orientation.x, seen.orientation.y, seen.orientation.z, seen.orientation.w
    towards_camera = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    position = np.array([seen.position.x, seen.position.y, seen.position.z]) + distance * towards_camera
    # Half a turn around the object's x axis: its quaternion times (1, 0, 0, 0).
    turned = Quaternion(x=w, y=z, z=-y, w=-x)
    return Pose(position=Point(**dict(zip("xyz", position.tolist()))), orientation=turned)


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(GraspPose(*sys.argv[1:]))
