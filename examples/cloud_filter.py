"""Filters a depth camera's cloud by the mask: publishes the points on objects, or all others.

python examples/cloud_filter.py /camera/depth/color/points outside    # or: inside
"""

import sys
from array import array
from collections import deque

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

SLOP = 0.02  # seconds between a cloud and the image of its mask
NUMBERS = ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8")  # numpy's names of PointField.INT8, ..., FLOAT64


class CloudFilter(Node):
    def __init__(self, topic: str, keep: str = "inside") -> None:
        super().__init__("cloud_filter")
        self._inside = keep == "inside"
        self._camera: CameraInfo | None = None
        self._clouds: deque[PointCloud2] = deque(maxlen=10)  # They come before the masks of their time.
        self._filtered = self.create_publisher(PointCloud2, f"{topic}/filtered", 5)
        self.create_subscription(PointCloud2, topic, self.on_cloud, qos_profile_sensor_data)
        self.create_subscription(CameraInfo, "/camera/camera_info", self.on_camera, qos_profile_sensor_data)
        self.create_subscription(Image, "/sampt/mask", self.on_mask, 5)

    def on_cloud(self, message: PointCloud2) -> None:
        self._clouds.append(message)

    def on_camera(self, message: CameraInfo) -> None:
        self._camera = message

    def on_mask(self, message: Image) -> None:
        cloud = min(self._clouds, key=lambda cloud: abs(seconds(cloud) - seconds(message)), default=None)
        if cloud is None or self._camera is None or abs(seconds(cloud) - seconds(message)) > SLOP:
            return
        mask = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width) > 0
        try:
            rows = points(cloud)
            xyz = positions(cloud, rows)
        except ValueError as error:
            self.get_logger().warning(f"a cloud is not filtered: {error}", throttle_duration_sec=10.0)
            return
        rows = rows[on_mask(xyz, self._camera, mask) == self._inside]
        self._filtered.publish(
            PointCloud2(
                header=cloud.header,
                height=1,
                width=len(rows),
                fields=cloud.fields,
                is_bigendian=cloud.is_bigendian,
                point_step=cloud.point_step,
                row_step=rows.size,
                data=array("B", rows.tobytes()),
                is_dense=cloud.is_dense,
            )
        )


def points(cloud: PointCloud2) -> np.ndarray:
    """(n, point_step) uint8: a cloud's points, without what pads its rows; raises ValueError if bytes are missing."""
    height, width, step = cloud.height, cloud.width, cloud.point_step
    row = cloud.row_step if height > 1 else width * step  # of a single row, which some do not set
    if row < width * step or len(cloud.data) < (height - 1) * row + width * step:
        raise ValueError(
            f"expected {height} rows of {width} points of {step} bytes; got row_step {row} and {len(cloud.data)} bytes"
        )
    shape, strides = (height, width, step), (row, step, 1)
    return np.ndarray(shape, np.uint8, cloud.data, strides=strides).reshape(height * width, step)


def positions(cloud: PointCloud2, rows: np.ndarray) -> np.ndarray:
    """(n, 3) float64: where the points (n, point_step) uint8 of a cloud are in the camera's optical frame.

    Raises ValueError if the cloud does not say so.
    """
    fields = {field.name: field for field in cloud.fields}
    if not fields.keys() >= set("xyz") or not all(1 <= fields[axis].datatype <= len(NUMBERS) for axis in "xyz"):
        raise ValueError(f"expected numbers x, y and z; got the fields {', '.join(fields) or 'none'}")
    order = ">" if cloud.is_bigendian else "<"
    names, formats = list("xyz"), [order + NUMBERS[fields[axis].datatype - 1] for axis in "xyz"]
    offsets = [fields[axis].offset for axis in "xyz"]  # numpy raises ValueError if they are not within a point
    record = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": cloud.point_step})
    records = np.ascontiguousarray(rows).view(record)[:, 0]
    return np.column_stack([records[axis].astype(np.float64) for axis in "xyz"])


def on_mask(xyz: np.ndarray, camera: CameraInfo, mask: np.ndarray) -> np.ndarray:
    """(n,) bool: which points (n, 3) appear on the mask (H, W) bool of a camera without lens distortion."""
    with np.errstate(divide="ignore", invalid="ignore"):
        u = camera.k[0] * xyz[:, 0] / xyz[:, 2] + camera.k[2]
        v = camera.k[4] * xyz[:, 1] / xyz[:, 2] + camera.k[5]
    height, width = mask.shape
    is_seen = (xyz[:, 2] > 0) & (u > -0.5) & (u < width - 0.5) & (v > -0.5) & (v < height - 0.5)
    found = np.zeros(len(xyz), bool)
    found[is_seen] = mask[np.rint(v[is_seen]).astype(int), np.rint(u[is_seen]).astype(int)]
    return found


def seconds(message: Image | PointCloud2) -> float:
    return float(message.header.stamp.sec + message.header.stamp.nanosec * 1e-9)


if __name__ == "__main__":
    rclpy.init()
    rclpy.spin(CloudFilter(*sys.argv[1:]))
