"""Masks that are sent as images."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from ros_images import GREY, changed, message
from sensor_msgs.msg import Image

from sampt_ros.errors import QueryError
from sampt_ros.ros import conversions


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("mono8", "u1"),
        ("8UC1", "u1"),
        ("8SC1", "i1"),
        ("mono16", "u2"),
        ("16UC1", "u2"),
        ("32SC1", "i4"),
        ("32FC1", "f4"),
        ("64FC1", "f8"),
    ],
)
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
def test_seed_masks(encoding, kind, big, padding):
    expected = GREY > 128
    sent = np.where(expected, np.arange(1, GREY.size + 1).reshape(GREY.shape), 0).astype(kind)
    mask = conversions.mask_from_image(message(sent, encoding, padding, big))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, expected)


def test_nan_and_below_zero_are_not_mask():
    sent = np.array([[np.nan, -1, 0, 0.5]], np.float32)
    assert conversions.mask_from_image(message(sent, "32FC1")).tolist() == [[False, False, False, True]]


def test_an_empty_mask_message_is_no_mask():
    assert conversions.mask_from_image(Image()) is None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"encoding": "rgb8"}, r"expected a mask encoded as one of mono8, .*; got 'rgb8'"),
        ({"width": 0}, "at least one pixel; got 0x6"),
        ({"step": 3}, "mask: expected a step of at least 8 bytes"),
        ({"height": 60}, "480 in all; got 48"),
    ],
)
def test_bad_masks_are_refused(change, error):
    msg = changed(message(GREY, "mono8"), change)
    with pytest.raises(QueryError, match=error):
        conversions.mask_from_image(msg)
