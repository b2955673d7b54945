"""Keeps a robot away from tracked objects: publishes a keepout mask with a disk around each, for Nav2's costmaps.

python examples/keepout_zone.py 0.6    # the radius of the disks, metres
"""

import sys
from array import array

import numpy as np
import rclpy
from geometry_msgs.msg import Pose, PoseArray, Transform
from nav_msgs.msg import MapMetaData, OccupancyGrid
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_ros import Buffer, TransformException, TransformListener

MAP = "map"
CELL = 0.05  # metres
SIDE = 400  # cells of the mask's sides, whose middle is the map's origin
LETHAL = 100  # of an occupancy grid; Nav2's keepout filter lets no path through it


class KeepoutZone(Node):
    def __init__(self, radius: float = 0.5) -> None:
        super().__init__("keepout_zone")
        self._radius = radius
        self._transforms = Buffer(node=self)
        self._listener = TransformListener(self._transforms, self)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._mask = self.create_publisher(OccupancyGrid, "/keepout_mask", latched)
        self.create_subscription(PoseArray, "/sampt/object_poses", self.on_poses, 5)

    def on_poses(self, message: PoseArray) -> None:
        try:
            camera = self._transforms.lookup_transform(MAP, message.header.frame_id, message.header.stamp)
        except TransformException as error:
            self.get_logger().warning(f"no keepout zone: {error}", throttle_duration_sec=5.0)
            return
        on_map = [moved(pose, camera.transform)[:2] for pose in message.poses]
        grid = OccupancyGrid(header=camera.header)
        grid.info = MapMetaData(map_load_time=message.header.stamp, resolution=CELL, width=SIDE, height=SIDE)
        grid.info.origin.position.x = grid.info.origin.position.y = -CELL * SIDE / 2
        grid.data = array("b", disks(on_map, self._radius).tobytes())
        self._mask.publish(grid)


def moved(pose: Pose, transform: Transform) -> np.ndarray:
    """(3,) metres: where a pose is in the transform's parent frame."""
    axis = np.array([transform.rotation.x, transform.rotation.y, transform.rotation.z])
    point = np.array([pose.position.x, pose.position.y, pose.position.z])
    turned = point + 2 * np.cross(axis, np.cross(axis, point) + transform.rotation.w * point)
    place: np.ndarray = turned + np.array([transform.translation.x, transform.translation.y, transform.translation.z])
    return place


def disks(centers: list[np.ndarray], radius: float) -> np.ndarray:
    """(SIDE, SIDE) int8: LETHAL within a radius of the centers, xy in metres on the map."""
    middles = (np.arange(SIDE) - SIDE / 2 + 0.5) * CELL
    x, y = np.meshgrid(middles, middles)
    near = [np.hypot(x - center[0], y - center[1]) <= radius for center in centers]
    return np.where(np.any(near, axis=0), LETHAL, 0).astype(np.int8) if near else np.zeros((SIDE, SIDE), np.int8)


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(KeepoutZone(*map(float, sys.argv[1:])))
