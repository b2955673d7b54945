"""ROS messages of a small picture, with rows padded and bytes swapped as a camera may send them."""

from __future__ import annotations

import array
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from builtin_interfaces.msg import Time
from sensor_msgs.msg import Image
from std_msgs.msg import Header

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id="camera_optical_frame")
WIDTH, HEIGHT = 8, 6
RGB = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = RGB[..., 0]


def message(pixels: np.ndarray, encoding: str, padding: int = 0, big: bool = False, height: int = 0) -> Image:
    """A message of `pixels` with `padding` bytes after each row."""
    raw = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).reshape(len(pixels), -1).view(np.uint8)
    padded = np.pad(raw, ((0, 0), (0, padding)), constant_values=77)
    data = array.array("B", padded.tobytes())
    return Image(
        header=HEADER,
        height=height or len(pixels),
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=padded.shape[1],
        data=data,
    )


def changed(msg: Any, fields: Mapping[str, Any]) -> Any:
    """The message, with other values in these fields."""
    for name, value in fields.items():
        setattr(msg, name, value)
    return msg


def alpha(image: np.ndarray) -> np.ndarray:
    return np.dstack([image, np.full(image.shape[:2], 200, image.dtype)])


def wide(image: np.ndarray) -> np.ndarray:
    """8 bits as 16, white as white."""
    return image.astype(np.uint16) * 257
