"""Images that cannot be used, images of unusual form, and frames in which something goes wrong."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from builtin_interfaces.msg import Time
from fakes import blank
from node_harness import CAMERA, HEIGHT, IMAGE, START_NS, WIDTH, middle, near, raw_image
from sampt_ros.msg import TrackedObject
from std_msgs.msg import Header

from sampt_ros.ros.conversions import image_from_array

GOOD = blank(HEIGHT, WIDTH).tobytes()
BAD_IMAGES = {
    "unknown encoding": (raw_image("thermal", GOOD, 3 * WIDTH), "image encoding"),
    "data shorter than height x step": (raw_image("rgb8", GOOD[:-1], 3 * WIDTH), "9216 in all; got 9215"),
    "no data": (raw_image("rgb8", b"", 3 * WIDTH), "got 0"),
    "step shorter than a row": (raw_image("rgb8", GOOD, WIDTH), "a step of at least 192 bytes"),
    "zero size": (raw_image("rgb8", b"", 0, 0, 0), "at least one pixel; got 0x0"),
}


@pytest.mark.parametrize(("image", "reason"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_a_bad_image_is_counted_and_the_next_one_tracked(sampt, image, reason):
    sampt.start_object((20, 20))
    bad = sampt.send(image)
    assert reason in sampt.wait_for_count("frames_rejected", 1)
    good = sampt.track()
    assert middle(good.mask) == near(21, 20)
    assert sorted(sampt.masks) == [START_NS, good.stamp]
    assert bad not in sampt.masks


GREY = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 251
PADDED = np.pad(GREY.astype(np.uint8), ((0, 0), (0, 16)))
GOOD_IMAGES = {
    "padded rows": raw_image("mono8", PADDED.tobytes(), WIDTH + 16),
    "big endian": raw_image("mono16", (GREY * 257).astype(">u2").tobytes(), 2 * WIDTH, big=True),
}


@pytest.mark.parametrize("image", GOOD_IMAGES.values(), ids=GOOD_IMAGES)
def test_unusual_images_are_tracked(sampt, image):
    sampt.start_object((20, 20))
    assert middle(sampt.track(image).mask) == near(21, 20)
    np.testing.assert_array_equal(sampt.segmenter.encoded[-1].image, np.dstack([GREY] * 3))


def test_a_single_frame_of_another_size_is_dropped(sampt):
    sampt.start_object((20, 20))
    sampt.send(blank(HEIGHT, WIDTH + 2))
    assert "expected an image of 64x48 like those before; got 66x48" in sampt.wait_for_count("frames_rejected", 1)
    assert middle(sampt.track().mask) == near(21, 20)


def test_a_lasting_change_of_size_goes_on_without_the_objects(sampt):
    sampt.start_object((20, 20))
    for dropped in range(1, 5):
        sampt.send(blank(30, 40))
        sampt.wait_for_count("frames_rejected", dropped)
    result = sampt.track(blank(30, 40))
    assert result.mask.shape == (30, 40)
    assert result.objects == {}
    sampt.start_object((20, 20))
    assert list(sampt.track(blank(30, 40)).objects) == [2]  # an id is never used again


def test_where_a_bag_loops_the_objects_are_looked_for_again(sampt):
    sampt.start_object((20, 20))
    sampt.track(stamp=START_NS + 5_000_000_000)
    for dropped in range(1, 5):
        sampt.send(stamp=START_NS + dropped)
        sampt.wait_for_count("frames_rejected", dropped)
    assert sampt.track(stamp=START_NS + 5).objects[1].state == TrackedObject.LOST
    # From the second time on it is believed at once.
    sampt.track(stamp=START_NS + 6_000_000_000)  # A stamp of its own: results are told apart by it.
    assert list(sampt.track(stamp=START_NS + 2).objects) == [1]


@pytest.mark.parametrize("wild", [3_600_000_000_000, -3_600_000_000_000])
def test_one_frame_with_a_wild_stamp_costs_that_frame_alone(sampt, wild):
    sampt.start_object((20, 20))
    newest = sampt.track().stamp
    sampt.send(stamp=newest + wild)
    assert "expected a stamp" in sampt.wait_for_count("frames_rejected", 1)
    assert list(sampt.track().objects) == [1]


@pytest.mark.parametrize("stamp", [Time(sec=-5), Time(sec=1_700_000_000, nanosec=4_000_000_000)])
def test_a_stamp_that_is_no_time_is_rejected(sampt, stamp):
    sampt.start_object((20, 20))
    sampt.track()
    image = image_from_array(blank(HEIGHT, WIDTH), "rgb8", Header(stamp=stamp, frame_id=CAMERA))
    sampt.publish(IMAGE, image)
    assert "expected a stamp with" in sampt.wait_for_count("frames_rejected", 1)
    assert list(sampt.track().objects) == [1]


def test_a_frame_slightly_out_of_order_is_dropped(sampt):
    sampt.start_object((20, 20))
    newest = sampt.track().stamp
    sampt.send(stamp=newest - 1)
    assert "out of order" in sampt.wait_for_count("frames_rejected", 1)
    assert list(sampt.track().objects) == [1]


def test_an_object_whose_points_are_all_hidden_is_lost_until_they_are_back(sampt):
    sampt.start_object((20, 20))
    sampt.tracker.blind = True
    result = sampt.track()
    assert (result.objects[1].state, result.objects[1].area) == (TrackedObject.LOST, 0)
    assert not result.mask.any()
    assert sampt.diagnostics()["object 1"].startswith("LOST")
    sampt.tracker.blind = False
    assert sampt.track().objects[1].state == TrackedObject.TRACKING


def test_a_refused_mask_is_not_published(sampt):
    sampt.start_object((20, 20))
    assert sampt.set_parameter("prompting.iou_threshold", 0.7).successful
    sampt.segmenter.rate = lambda xy: 0.6
    result = sampt.track()
    assert result.objects[1].state == TrackedObject.UNCERTAIN
    assert not result.mask.any()


def test_a_frame_in_which_inference_fails_is_counted_and_the_next_one_tracked(sampt):
    sampt.start_object((20, 20))
    sampt.segmenter.error = RuntimeError("CUDA out of memory")
    sampt.send()
    assert sampt.wait_for_count("frames_rejected", 1) == "RuntimeError: CUDA out of memory"
    assert sampt.track().objects[1].state == TrackedObject.TRACKING


def test_a_query_in_which_inference_fails_is_counted(sampt):
    sampt.segmenter.error = RuntimeError("CUDA out of memory")
    sampt.query((20, 20))
    assert sampt.wait_for_count("queries_refused", 1) == "RuntimeError: CUDA out of memory"
    sampt.start_object((20, 20))
