"""Depth that is sent as images."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from ros_images import GREY, HEIGHT, RGB, WIDTH, message

from sampt_ros.errors import FrameError
from sampt_ros.ros import conversions


@pytest.mark.parametrize("big", [False, True], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize(("kind", "encoding"), [(np.uint16, "16UC1"), (np.uint16, "mono16"), (np.float32, "32FC1")])
def test_depth_images(kind, encoding, big):
    depth = (np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) * 260.5).astype(kind)
    found = conversions.depth_from_image(message(depth, encoding, padding=8, big=big))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, depth)


def test_other_depth_images_are_refused():
    with pytest.raises(FrameError, match="one of 16UC1, mono16, 32FC1; got 'rgb8'"):
        conversions.depth_from_image(message(RGB, "rgb8"))
    short = message(GREY.astype(np.uint16), "16UC1")
    short.data = short.data[:-1]
    with pytest.raises(FrameError, match="in all; got"):
        conversions.depth_from_image(short)
