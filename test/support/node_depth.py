"""The harness of node_harness with depth beside its images, and what the node says in 3D."""

from __future__ import annotations

from array import array
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from geometry_msgs.msg import PoseArray
from node_harness import CAMERA, HEIGHT, WIDTH, Harness, raw_image, wait_for
from sensor_msgs.msg import CompressedImage, PointCloud2
from std_msgs.msg import Header

from sampt_ros.ros.conversions import stamp_ns, time_from_ns

DEPTH, COMPRESSED = "/camera/depth", "/camera/depth/compressedDepth"
FOCAL = 64.0  # of the harness's camera
CENTRE = np.array([(WIDTH - 1) / 2, (HEIGHT - 1) / 2])
FAR, NEAR = 2.0, 1.5  # metres: a wall, and something before its right half
RECORDS = {7: "<f4", 6: "<u4"}  # by PointField's datatypes


def track_in_3d(node: Harness) -> SimpleNamespace:
    """A node that knows its camera, with an object at (20, 20); `poses` and `clouds` by stamp."""
    poses: dict[int, PoseArray] = {}
    clouds: dict[int, PointCloud2] = {}
    node.send_camera_info()
    node.start_object((20, 20))
    for kind, topic, kept in ((PoseArray, "/sampt/object_poses", poses), (PointCloud2, "/sampt/cloud", clouds)):
        node.listen(kind, topic, lambda message, kept=kept: kept.__setitem__(stamp_ns(message.header), message))
    return SimpleNamespace(node=node, poses=poses, clouds=clouds)


def scene() -> np.ndarray:
    """(H, W) float32 metres."""
    depth = np.full((HEIGHT, WIDTH), FAR, np.float32)
    depth[:, WIDTH // 2 :] = NEAR
    return depth


def send_depth(node: Harness, stamp: int, depth: np.ndarray | None = None, frame_id: str = CAMERA) -> None:
    """Publish depth, float32 metres or uint16 millimetres (default: the scene)."""
    depth = scene() if depth is None else depth
    encoding = {2: "16UC1", 4: "32FC1", 1: "8UC1"}[depth.itemsize]
    height, width = depth.shape
    message = raw_image(encoding, depth.tobytes(), width * depth.itemsize, width, height)
    message.header = Header(stamp=time_from_ns(stamp), frame_id=frame_id)
    node.publish(DEPTH, message)


def send_compressed_depth(node: Harness, stamp: int, coded: tuple[str, bytes], topic: str = COMPRESSED) -> None:
    """coded: the format and data that support/compressed_depth makes."""
    header = Header(stamp=time_from_ns(stamp), frame_id=CAMERA)
    node.publish(topic, CompressedImage(header=header, format=coded[0], data=array("B", coded[1])))


def begin_depth(node: Harness) -> None:
    """Send depth and wait until it is heard: frames wait for depth from then on."""
    send_depth(node, node.send())
    wait_for(lambda: "no depth" not in node.diagnostics()["message"], "depth is not heard")


def positions(node: Harness, stamp: int, name: int = 1) -> np.ndarray:
    """(n, 3): where the tracked points of an object are."""
    points = node.result(stamp).objects[name].points
    return np.array([(point.position.x, point.position.y, point.position.z) for point in points])


def seen_at(x: float, y: float, z: float) -> list[float]:
    """What the harness's camera sees at a pixel with this depth."""
    return [*((np.array([x, y]) - CENTRE) / FOCAL * z), z]


def records(message: PointCloud2) -> np.ndarray:
    """The points of a cloud by the names and places that the message gives."""
    kind = np.dtype(
        {
            "names": [field.name for field in message.fields],
            "formats": [RECORDS[field.datatype] for field in message.fields],
            "offsets": [field.offset for field in message.fields],
            "itemsize": message.point_step,
        }
    )
    return np.frombuffer(message.data, kind)
