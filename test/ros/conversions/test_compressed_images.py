"""JPEG and PNG images become RGB."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from ros_images import alpha, wide
from sensor_msgs.msg import CompressedImage

from sampt_ros.errors import FrameError
from sampt_ros.ros import conversions


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("kind", ["colour", "grey", "alpha", "16 bit"])
def test_compressed_images(suffix, kind):
    if suffix == ".jpg" and kind in ("alpha", "16 bit"):
        pytest.skip("a JPEG has neither")
    flat = np.full((20, 30, 3), (200, 90, 40), np.uint8)
    expected = np.full_like(flat, 90) if kind == "grey" else flat
    bgr = np.ascontiguousarray(flat[..., ::-1])
    sent = {"colour": bgr, "grey": flat[..., 1], "alpha": alpha(bgr), "16 bit": wide(bgr)}[kind]
    data = cv2.imencode(suffix, sent)[1].tobytes()
    image = conversions.rgb_from_compressed(CompressedImage(format=suffix[1:], data=array.array("B", data)))
    np.testing.assert_allclose(image.astype(int), expected, atol=0 if suffix == ".png" else 3)


@pytest.mark.parametrize("data", [b"", b"not an image", b"\xff\xd8\xff\xe0"])
def test_corrupt_compressed_images_are_refused(data):
    with pytest.raises(FrameError, match=f"expected JPEG or PNG data; got {len(data)} bytes"):
        conversions.rgb_from_compressed(CompressedImage(format="jpeg", data=array.array("B", data)))
