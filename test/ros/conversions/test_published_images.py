"""Arrays become images that are published, and how long that takes."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from ros_images import GREY, HEADER, HEIGHT, RGB, WIDTH, alpha

from sampt_ros.errors import FrameError
from sampt_ros.ros import conversions


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [("mono8", GREY), ("mono16", GREY.astype(np.uint16) * 200), ("rgb8", RGB)],
)
@pytest.mark.parametrize("strided", [False, True])
def test_images_that_are_published(encoding, sent, strided):
    if strided:
        sent = np.repeat(sent, 2, axis=1)[:, ::2]
    msg = conversions.image_from_array(sent, encoding, HEADER)
    assert msg.header is HEADER
    assert (msg.width, msg.height, msg.encoding, msg.is_bigendian) == (WIDTH, HEIGHT, encoding, 0)
    assert msg.step == WIDTH * sent.itemsize * (3 if encoding == "rgb8" else 1)
    assert msg.data.tobytes() == sent.astype(sent.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize(
    ("encoding", "sent"),
    [("mono8", RGB), ("mono8", GREY > 3), ("mono16", GREY), ("rgb8", GREY), ("rgb8", alpha(RGB)), ("mono8", GREY[0])],
)
def test_arrays_that_are_not_the_encodings_are_refused(encoding, sent):
    with pytest.raises(FrameError, match=f"for {encoding}; got "):
        conversions.image_from_array(sent, encoding, HEADER)
    with pytest.raises(FrameError, match="mono8, mono16, rgb8; got 'bgr8'"):
        conversions.image_from_array(RGB, "bgr8", HEADER)


def median_ms(action) -> float:
    """Milliseconds, the median of 21 runs."""
    times = []
    for _ in range(21):
        started = time.perf_counter()
        action()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times))


def test_conversions_cost_little_at_vga():
    # The bounds are ten times what a laptop needs: a conversion byte by byte takes longer still.
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    msg = conversions.image_from_array(image, "rgb8", HEADER)
    assert median_ms(lambda: conversions.rgb_from_image(msg)) < 5
    assert median_ms(lambda: conversions.image_from_array(image, "rgb8", HEADER)) < 10
    msg.encoding = "bgr8"
    assert median_ms(lambda: conversions.rgb_from_image(msg)) < 10
