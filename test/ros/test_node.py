"""The node over real topics and services, around a tracker and a segmenter that do as they are told."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from builtin_interfaces.msg import Time
from fakes import SIDE, blank
from lifecycle_msgs.srv import GetState
from node_harness import (
    CAMERA,
    CAMERA_INFO,
    FRAME_NS,
    HEIGHT,
    IMAGE,
    PATIENCE,
    START_NS,
    WIDTH,
    Harness,
    as_array,
    call,
    middle,
    raw_image,
    wait_for,
)
from ros_helpers import BEST_EFFORT, listener, ros_domain  # noqa: F401
from sampt_ros.msg import QueryPoint, QueryPoints, Reference, TrackedObject
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from synthetic import two_disks

from sampt_ros.config.node import NodeConfig
from sampt_ros.config.options import walk
from sampt_ros.config.presets import load_preset, preset_names
from sampt_ros.data_types import NEGATIVE
from sampt_ros.messages import outputs
from sampt_ros.ros.conversions import image_from_array, time_from_ns
from sampt_ros.ros.video_publisher import compressed_image
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def start_node(ros_domain) -> Iterator[Callable[..., Harness]]:  # noqa: F811
    """Makes a Harness, still unconfigured, which is closed after the test."""
    made: list[Harness] = []

    def start(*values, **options) -> Harness:
        made.append(Harness(*values, **options))
        return made[-1]

    yield start
    for harness in made:
        harness.close()


@pytest.fixture
def sampt(start_node) -> Harness:
    """An active node that has tracked one frame."""
    harness = start_node().start()
    harness.track()
    return harness


def near(x: float, y: float):
    """The middle of a mask there: the drawn points are not quite symmetric around it."""
    return pytest.approx((x, y), abs=1.01)


def reference(object_id=5, mask=None):
    """The left disk of a picture."""
    picture, left, _ = two_disks(0)
    seen = left if mask is None else mask
    return Reference(
        object_id=object_id,
        image=image_from_array(picture, "rgb8", Header()),
        mask=image_from_array(seen.astype(np.uint8), "mono8", Header()),
    )


def test_a_reference_published_before_the_node_listens_is_looked_for(start_node):
    harness = start_node()
    harness.latch("/sampt/reference", reference())
    harness.start()
    harness.wait_for_count("queries_accepted", 1)
    assert harness.track().objects[5].state == TrackedObject.LOST


def test_a_reference_without_its_mask_is_refused_with_the_reason(sampt):
    message = reference()
    message.mask = Image()
    sampt.latch("/sampt/reference", message)
    assert "mask of the object in the reference picture" in sampt.wait_for_count("queries_refused", 1)
    assert sampt.track().objects == {}


# --- what comes out ---


def test_every_output_has_the_header_of_its_image(sampt):
    sampt.start_object((20, 20))
    stamps = [START_NS + FRAME_NS, START_NS + 2 * FRAME_NS + 1, 1_700_000_000_999_999_999]
    for stamp in stamps:
        sampt.track(stamp=stamp)
    for output in (sampt.masks, sampt.labels, sampt.points):
        assert sorted(output) == [START_NS, *stamps]
        assert {message.header.frame_id for message in output.values()} == {CAMERA}


def test_labels_have_ids_and_the_mask_is_their_union(sampt):
    sampt.start_object((16, 16))
    sampt.start_object((44, 30))
    result = sampt.track()
    assert (sampt.masks[result.stamp].encoding, sampt.labels[result.stamp].encoding) == ("mono8", "mono16")
    assert result.labels.shape == (HEIGHT, WIDTH)
    assert middle(result.labels == 1) == near(17, 16)
    assert middle(result.labels == 2) == near(45, 30)
    np.testing.assert_array_equal(result.mask, np.where(result.labels > 0, 255, 0))


def test_points_say_all_about_an_object(sampt):
    sampt.start_object((20, 20))
    result = sampt.track()
    (item,) = result.objects.values()
    assert (item.id, item.state, item.score, item.area) == (1, TrackedObject.TRACKING, 1.0, SIDE**2)
    y, x = np.nonzero(result.mask)
    assert (item.box.x_offset, item.box.y_offset, item.box.width, item.box.height) == (x.min(), y.min(), SIDE, SIDE)
    assert (item.points[0].x, item.points[0].y, item.points[0].label) == (21, 20, QueryPoint.POSITIVE)
    assert all(point.visible and point.confidence == 1 for point in item.points)


def test_the_overlay_is_computed_only_while_somebody_subscribes(sampt, monkeypatch):
    drawn, overlays = [], []
    monkeypatch.setattr(outputs, "draw", lambda image, result: drawn.append(result.index) or image)
    sampt.track()
    assert drawn == []
    subscription = sampt.listen(Image, "/sampt/overlay", overlays.append)
    stamp = sampt.track().stamp
    wait_for(lambda: overlays, "no overlay")
    assert (overlays[0].encoding, overlays[0].header) == ("rgb8", sampt.masks[stamp].header)
    sampt.stop_listening(subscription)
    sampt.track()
    assert len(drawn) == 1


def test_best_effort_subscribers_get_masks_too(sampt):
    masks = []
    sampt.listen(Image, "/sampt/mask", masks.append, BEST_EFFORT)
    sampt.track()
    wait_for(lambda: masks, "no mask")


def test_a_qos_override_holds_for_its_topic_only(start_node):
    override = "qos_overrides./sampt/mask.publisher.reliability:=best_effort"
    masks = []
    harness = start_node(args=["-p", override]).start()
    # a reliable subscriber gets nothing from a best-effort publisher
    assert harness.publisher("/sampt/mask").get_subscription_count() == 0
    assert harness.publisher("/sampt/labels").get_subscription_count() == 1
    harness.listen(Image, "/sampt/mask", masks.append, BEST_EFFORT)
    harness.send()
    wait_for(lambda: masks, "no mask")


def test_compressed_images(start_node):
    harness = start_node(image_transport="compressed").start()
    picture = np.full((HEIGHT, WIDTH, 3), (200, 30, 90), np.uint8)
    message = compressed_image(picture, Header(stamp=time_from_ns(START_NS), frame_id=CAMERA))
    harness.publish(f"{IMAGE}/compressed", message)
    harness.result(START_NS)
    harness.start_object((20, 20))
    assert np.abs(harness.segmenter.encoded[0].image.astype(int) - picture).max() < 8
    # data that do not decode are counted, and the next image is tracked
    message.data = message.data[:20]
    harness.publish(f"{IMAGE}/compressed", message)
    assert "expected JPEG or PNG" in harness.wait_for_count("frames_rejected", 1)
    again = compressed_image(picture, Header(stamp=time_from_ns(START_NS + FRAME_NS), frame_id=CAMERA))
    harness.publish(f"{IMAGE}/compressed", again)
    assert middle(harness.result(START_NS + FRAME_NS).mask) == near(21, 20)


# --- clicks and queries ---


def test_a_box_starts_an_object(sampt):
    sampt.start_object(box=(30, 10, 12, 10))
    assert middle(sampt.track().mask) == near(35.5 + 1, 14.5)


def test_a_seed_mask_starts_an_object(sampt):
    seed = np.zeros((HEIGHT, WIDTH), np.uint8)
    seed[10:21, 40:51] = 1
    sampt.start_object(mask=seed)
    assert middle(sampt.track().mask) == near(46, 15)


def test_points_are_added_to_an_object(sampt):
    sampt.start_object((20, 20))
    sampt.start_object((30, 20, NEGATIVE), id=1)
    (item,) = sampt.track().objects.values()
    added = item.points[1]  # after the first click
    assert (added.x, added.y, added.label) == (31, 20, QueryPoint.NEGATIVE)


def test_replace_starts_an_object_anew_under_its_id(sampt):
    sampt.start_object((20, 20))
    sampt.start_object((44, 30), id=1, action=QueryPoints.REPLACE)
    result = sampt.track()
    assert list(result.objects) == [1]
    assert middle(result.mask) == near(45, 30)


def test_remove_ends_an_object(sampt):
    sampt.start_object((16, 16))
    sampt.start_object((44, 30))
    sampt.start_object(id=1, action=QueryPoints.REMOVE)
    result = sampt.track()
    assert list(result.objects) == [2]
    assert set(np.unique(result.labels)) == {0, 2}


def test_a_click_in_an_image_view(sampt):
    sampt.click_in_view(30, 20)
    sampt.wait_for_count("queries_accepted", 1)
    assert middle(sampt.track().mask) == near(31, 20)


def test_a_click_at_the_very_border_of_an_image_view_is_in_the_image(sampt):
    sampt.click_in_view(WIDTH, HEIGHT)
    sampt.wait_for_count("queries_accepted", 1)
    (item,) = sampt.track().objects.values()
    assert (item.points[0].x, item.points[0].y) == (WIDTH - 1 + 1, HEIGHT - 1)


def test_3d_clicks_in_the_cameras_own_frame(sampt):
    sampt.send_camera_info()
    # 64 px focal length: 0.25 m left of the axis at 2 m is 8 px left of the middle
    sampt.click_3d((-0.25, 0.0, 2.0), CAMERA)
    sampt.wait_for_count("queries_accepted", 1)
    sampt.click_3d((0.25, 0.0, 2.0), CAMERA, NEGATIVE)
    sampt.wait_for_count("queries_accepted", 2)
    result = sampt.track()
    (item,) = result.objects.values()
    assert middle(result.mask) == near(23.5 + 1, 23.5)
    background = item.points[1]  # after the first click
    assert (background.x, background.y, background.label) == (39.5 + 1, 23.5, NEGATIVE)


def test_a_click_on_a_mask_corrects_that_object(sampt):
    sampt.start_object((20, 20))
    sampt.click_in_view(22, 21)
    sampt.wait_for_count("queries_accepted", 2)
    assert list(sampt.track().objects) == [1]


@pytest.mark.parametrize("after", [0, FRAME_NS - 1], ids=["its stamp", "a time before the next image"])
def test_a_late_query_starts_on_the_image_it_names_and_catches_up(sampt, after):
    stamps = [sampt.track().stamp for _ in range(4)]
    sampt.start_object((20, 20), stamp=stamps[0] + after)
    # everything moves 1 px a frame: 3 frames since the click, and this one
    assert middle(sampt.track().mask) == near(20 + 3 + 1, 20)


# --- images that cannot be used ---

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


# --- queries that make no sense ---


def seed(height: int = HEIGHT, value: int = 0) -> np.ndarray:
    return np.full((height, WIDTH), value, np.uint8)


BAD_QUERIES = {
    "NaN": (lambda node: node.query((np.nan, 20)), "finite"),
    "infinite": (lambda node: node.query((20, np.inf)), "finite"),
    "outside": (lambda node: node.query((20, 20), (WIDTH, 20)), "inside the 64x48 image; got (64, 20)"),
    "no points": (lambda node: node.query(), "points, a box or a mask"),
    "unknown label": (lambda node: node.query((20, 20, 7)), "labels 0"),
    "negative points only": (lambda node: node.query((20, 20, NEGATIVE)), "at least one positive point"),
    "empty seed mask": (lambda node: node.query(mask=seed()), "at least one pixel"),
    "seed mask of another size": (lambda node: node.query(mask=seed(HEIGHT + 1, 1)), "the image's shape"),
    "box outside": (lambda node: node.query(box=(70, 10, 20, 20)), "a box inside"),
    "correcting an unknown object": (lambda node: node.query((20, 20), id=9), "a tracked one (1); got 9"),
    "removing an unknown object": (lambda node: node.query(id=9, action=QueryPoints.REMOVE), "tracked object (1)"),
    "unknown action": (lambda node: node.query((20, 20), action=9), "ADD 0, REPLACE 1, REMOVE 2; got 9"),
    "wrong frame": (lambda node: node.query((20, 20), frame_id="map"), f"frame_id '{CAMERA}'; got 'map'"),
    "too old": (lambda node: node.query((20, 20), stamp=START_NS - 1), "stamp of an image kept"),
    "more than max_objects": (lambda node: node.query((40, 30)), "max_objects = 1"),
    "no CameraInfo": (
        lambda node: node.click_3d((0.0, 0.0, 1.0), CAMERA),
        f"these images on {CAMERA_INFO}",
    ),
    "click outside an image view": (lambda node: node.click_in_view(WIDTH + 1, 20), "inside the 64x48 image"),
}


@pytest.fixture
def busy(start_node) -> Harness:
    """A node with as many objects as it may have: one."""
    harness = start_node(max_objects=1).start()
    harness.track()
    harness.start_object((20, 20))
    return harness


@pytest.mark.parametrize(("ask", "reason"), BAD_QUERIES.values(), ids=BAD_QUERIES)
def test_a_bad_query_is_refused_and_the_object_tracked_on(busy, ask, reason):
    refused = int(busy.diagnostics()["queries_refused"])
    before = middle(busy.track().mask)
    ask(busy)
    assert reason in busy.wait_for_count("queries_refused", refused + 1)
    result = busy.track()
    assert list(result.objects) == [1]
    assert middle(result.mask) == near(before[0] + 1, before[1])


BAD_CLICKS = {
    "behind the camera": ((0.0, 0.0, -1.0), CAMERA, "in front of the camera"),
    "outside the image": ((5.0, 0.0, 1.0), CAMERA, "inside the 64x48 image"),
    "NaN": ((np.nan, 0.0, 1.0), CAMERA, "expected a point"),
    "another frame, without tf2_ros": ((0.0, 0.0, 1.0), "map", "as tf2_ros is missing; got one in 'map'"),
}


@pytest.mark.parametrize(("xyz", "frame", "reason"), BAD_CLICKS.values(), ids=BAD_CLICKS)
def test_a_3d_click_on_nothing_is_refused(start_node, monkeypatch, xyz, frame, reason):
    monkeypatch.setitem(sys.modules, "tf2_ros", None)
    harness = start_node().start()
    harness.track()
    harness.send_camera_info()
    harness.click_3d(xyz, frame)
    assert reason in harness.wait_for_count("queries_refused", 1)
    assert harness.track().objects == {}


@pytest.mark.parametrize(
    "ask",
    [
        lambda node: node.query((20, 20)),
        lambda node: node.click_in_view(20, 20),
        lambda node: node.click_3d((0.0, 0.0, 1.0), CAMERA),
    ],
    ids=["query", "image view", "3D"],
)
def test_a_query_before_the_first_image_is_refused(start_node, ask):
    harness = start_node().start()
    ask(harness)
    assert "expected an image before the first query" in harness.wait_for_count("queries_refused", 1)
    harness.track()
    harness.start_object((20, 20))


def test_a_background_click_belongs_to_no_object_at_first(sampt):
    sampt.send_camera_info()
    sampt.click_3d((0.0, 0.0, 1.0), CAMERA, NEGATIVE)
    assert "after a click on an object" in sampt.wait_for_count("queries_refused", 1)


def test_a_3d_click_with_the_camera_info_of_another_image_is_refused(sampt):
    sampt.track()
    sampt.send_camera_info(2 * WIDTH, 2 * HEIGHT)
    sampt.click_3d((0.0, 0.0, 1.0), CAMERA)
    assert "expected the CameraInfo of 64x48 images; got one of 128x96" in sampt.wait_for_count("queries_refused", 1)


def test_an_uncalibrated_camera_info_is_no_camera(sampt):
    sampt.publish(CAMERA_INFO, CameraInfo(width=WIDTH, height=HEIGHT))
    sampt.send_camera_info()  # the good one after it counts


def test_tf_brings_a_click_into_the_cameras_frame(sampt, listener):  # noqa: F811
    tf2_ros = pytest.importorskip("tf2_ros", reason="needs tf2_ros")
    from geometry_msgs.msg import TransformStamped

    transform = TransformStamped(header=Header(frame_id="map"), child_frame_id=CAMERA)
    # the camera is 3 m in front of the map's origin and looks along its x axis
    transform.transform.translation.x = 3.0
    turn = transform.transform.rotation
    turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5
    broadcaster = tf2_ros.StaticTransformBroadcaster(listener.node)
    broadcaster.sendTransform(transform)
    sampt.send_camera_info()
    assert sampt.set_parameter("tf_timeout", 5.0).successful

    # 2 m ahead of the camera, 0.25 m to its left
    sampt.click_3d((5.0, 0.25, 0.0), "map")
    sampt.wait_for_count("queries_accepted", 1)
    assert middle(sampt.track().mask) == near(23.5 + 1, 23.5)

    # a frame that nobody has ever heard of
    assert sampt.set_parameter("tf_timeout", 0.1).successful
    sampt.click_3d((5.0, 0.25, 0.0), "moon")
    assert "a transform from 'moon'" in sampt.wait_for_count("queries_refused", 1)


# --- what goes wrong in between ---


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


# --- parameters ---


def test_every_parameter_is_declared_with_its_description(start_node):
    harness = start_node()
    options = [*walk(NodeConfig()), *walk(load_preset())]
    described = harness.node.describe_parameters([name for name, _, _ in options])
    assert len(described) == len(options)
    for (name, value, option), descriptor in zip(options, described):
        assert (descriptor.name, descriptor.read_only) == (name, option.fixed)
        assert descriptor.description.startswith(option.description)
        assert option.range() in descriptor.additional_constraints
        assert harness.node.get_parameter(name).value == value


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("prompting.iou_threshold", 1.5, "Max: 1.0"),
        ("points.positive", 0, "Min: 1"),
        ("seed", -1, "at least 0"),
        ("points.positive_method", "magic", "k_medoids, shi_tomasi, random, mixed"),
        ("clicks", "nothing", "new_object, last_object"),
        ("history", "long", "history: expected float, got 'long'"),
        ("points.positive", 2.5, "points.positive: expected int, got 2.5"),
        ("history", None, "history: expected float, got None"),
    ],
)
def test_a_bad_value_is_refused_with_the_allowed_ones(busy, name, value, allowed):
    before = busy.node.get_parameter(name).value
    result = busy.set_parameter(name, value)
    assert not result.successful
    assert allowed in result.reason
    assert busy.node.get_parameter(name).value == before


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("reinit.horizon", 4, "reinit.horizon: cannot change while running"),
        ("image_transport", "compressed", "image_transport: cannot change while running"),
        ("preset", "default", "read-only"),
        ("autostart", False, "read-only"),
    ],
)
def test_what_needs_a_restart_is_refused_while_configured(busy, name, value, reason):
    result = busy.set_parameter(name, value)
    assert not result.successful
    assert reason in result.reason


def test_a_whole_number_will_do_for_a_float(busy):
    assert busy.set_parameter("history", 2).successful
    busy.track()
    assert busy.node._stream.session.history == 2.0


def test_a_live_change_takes_effect_on_the_next_frame(sampt):
    sampt.start_object((20, 20))
    sampt.segmenter.rate = lambda xy: 0.8
    assert sampt.track().objects[1].state == TrackedObject.TRACKING
    assert sampt.set_parameter("prompting.iou_threshold", 0.9).successful
    assert sampt.track().objects[1].state == TrackedObject.UNCERTAIN


def test_after_cleanup_every_parameter_may_change(sampt):
    assert sampt.change_state("deactivate")
    assert not sampt.set_parameter("reinit.horizon", 4).successful
    assert sampt.change_state("cleanup")
    assert sampt.set_parameter("reinit.horizon", 4).successful
    assert sampt.start().node._stream.session.sam_pt.config.reinit.horizon == 4


# --- transitions ---


def test_deactivated_nothing_is_published_and_the_objects_are_kept(sampt):
    sampt.start_object((20, 20))
    sampt.track()
    assert sampt.change_state("deactivate")
    assert sampt.state == "inactive"
    assert (sampt.diagnostics()["level"], sampt.diagnostics()["message"]) == ("WARN", "not active")
    assert sampt.node.count_subscribers(IMAGE) == 0
    assert not sampt.call(Trigger, "reset").success
    assert sampt.change_state("activate")
    before = len(sampt.masks)
    result = sampt.track()
    assert (list(result.objects), len(sampt.masks)) == ([1], before + 1)


def test_cleanup_and_configure_again_begin_anew(sampt):
    sampt.start_object((20, 20))
    assert sampt.change_state("deactivate")
    assert sampt.change_state("cleanup")
    assert sampt.state == "unconfigured"
    sampt.tracker.reset()
    assert sampt.start().track().objects == {}
    sampt.start_object((20, 20))
    assert list(sampt.track().objects) == [1]


def test_shutdown_while_active_stops_the_worker(sampt):
    assert sampt.change_state("shutdown")
    assert sampt.state == "finalized"
    assert sampt.node.count_subscribers(IMAGE) == 0


def fails_to_configure(harness: Harness) -> str:
    """The reason in the diagnostics; the node lives and is unconfigured."""
    assert not harness.change_state("configure")
    assert harness.state == "unconfigured"
    assert harness.diagnostics()["level"] == "ERROR"
    return harness.diagnostics()["message"]


def test_a_missing_checkpoint_fails_the_configuration(start_node, tmp_path):
    pytest.importorskip("segment_anything", reason="needs segment-anything", exc_type=ImportError)
    path = str(tmp_path / "sam_vit_b.pth")
    harness = start_node(SamPt, segmenter="sam", sam__checkpoint=path)
    assert path in fails_to_configure(harness)
    # a file that is there, but holds something else
    (tmp_path / "sam_vit_b.pth").write_bytes(b"<html>404</html>")
    assert f"{path} is not a readable checkpoint" in fails_to_configure(harness)
    # without weights it goes
    assert harness.set_parameter("segmenter", "grabcut").successful
    assert harness.start().diagnostics()["level"] != "ERROR"


@pytest.mark.parametrize(
    ("name", "value", "good", "reason"),
    [
        ("prompting.iou_threshold", 7.0, 0.7, "prompting.iou_threshold"),
        ("points.positive", 0, 8, "points.positive"),
        ("seed", -1, 0, "seed: expected at least 0, got -1"),
        ("reinit.policy", "magic", "never", "reinit.policy: expected one of never"),
        ("history", "long", 2.0, "history: expected float, got 'long'"),
    ],
)
def test_a_bad_value_at_start_fails_the_configuration(start_node, name, value, good, reason):
    harness = start_node(**{name.replace(".", "__"): value})
    assert reason in fails_to_configure(harness)
    # once it is right, the node goes
    assert harness.set_parameter(name, good).successful
    assert harness.start().diagnostics()["level"] != "ERROR"
    harness.track()


def test_a_one_shot_method_on_a_segmenter_unlike_sam_fails_the_configuration(start_node):
    harness = start_node(one_shot="persam")
    assert "one_shot: persam expected a segmenter like SAM" in fails_to_configure(harness)


def test_an_unknown_preset_fails_the_configuration(start_node):
    harness = start_node(preset="magic")
    assert f"unknown preset 'magic'; expected one of {', '.join(preset_names())}" in fails_to_configure(harness)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), ImportError("no module named torch")], ids=repr)
def test_whatever_fails_while_the_models_load_is_told(start_node, error):
    def build(config):
        raise error

    assert str(error) in fails_to_configure(start_node(build))


# --- diagnostics ---


def test_diagnostics_come_by_themselves_and_count_everything(sampt):
    sampt.start_object((20, 20))
    sampt.track()
    arrived = len(sampt.reports)
    wait_for(lambda: len(sampt.reports) > arrived, "the node is silent")
    values = sampt.diagnostics()
    counts = {name: int(value) for name, value in values.items() if name.startswith(("frames_", "queries_"))}
    assert counts == {
        "frames_received": 2,
        "frames_tracked": 2,
        "frames_dropped": 0,
        "frames_rejected": 0,
        "queries_accepted": 1,
        "queries_refused": 0,
    }
    assert (values["level"], values["message"]) == ("OK", "tracking; objects: 1")
    assert values["object 1"] == f"TRACKING, score 1.00, {SIDE**2} px"
    assert {f"{stage} (ms, median / p95)" for stage in ("tracking", "encoding", "decoding", "latency")} <= set(values)


def test_diagnostics_warn_that_no_image_comes(start_node):
    values = start_node().start().diagnostics()
    assert (values["level"], values["message"]) == ("WARN", f"no image on {IMAGE} yet; its publishers: 0")


# --- while inference is slow ---


@contextmanager
def inference(sampt: Harness) -> Iterator[int]:
    """A frame whose inference lasts as long as the block; gives its stamp."""
    sampt.segmenter.gate.clear()
    sampt.segmenter.entered.clear()
    stamp = sampt.send()
    assert sampt.segmenter.entered.wait(20)
    try:
        yield stamp
    finally:
        sampt.segmenter.gate.set()


def test_reset_answers_during_inference_and_takes_effect_after_it(sampt):
    sampt.start_object((20, 20))
    with inference(sampt) as stamp:
        assert sampt.call(Trigger, "reset").success
        assert stamp not in sampt.masks
    assert list(sampt.result(stamp).objects) == [1]
    assert sampt.track().objects == {}
    # ids begin anew
    sampt.start_object((20, 20))
    assert list(sampt.track().objects) == [1]


def test_pause_answers_during_inference_and_takes_effect_after_it(sampt):
    sampt.start_object((20, 20))
    with inference(sampt) as stamp:
        waiting = sampt.send()
        sampt.wait_for_count("frames_received", 3)
        assert sampt.call(SetBool, "pause", SetBool.Request(data=True)).message == "paused"
    sampt.result(stamp)
    assert sampt.diagnostics()["message"] == "paused"
    sampt.send()
    sampt.wait_for_count("frames_received", 4)
    # clicks work, on the last tracked frame
    sampt.start_object((44, 30))
    assert sampt.call(SetBool, "pause", SetBool.Request(data=False)).message == "running"
    result = sampt.track()
    assert list(result.objects) == [1, 2]
    assert sorted(sampt.masks) == [START_NS, stamp, result.stamp]
    assert waiting not in sampt.masks


def test_parameters_answer_during_inference(sampt):
    sampt.start_object((20, 20))
    with inference(sampt):
        assert sampt.set_parameter("prompting.iou_threshold", 0.9).successful


def test_during_inference_the_newest_image_wins(sampt):
    sampt.start_object((20, 20))
    with inference(sampt) as stamp:
        for received in range(3, 10):
            newest = sampt.send()
            sampt.wait_for_count("frames_received", received)
    sampt.result(newest)
    assert sorted(sampt.masks) == [START_NS, stamp, newest]
    values = sampt.diagnostics()
    assert [values[f"frames_{what}"] for what in ("received", "tracked", "dropped")] == ["9", "3", "6"]


def test_a_query_may_name_an_image_that_was_skipped(sampt):
    sampt.start_object((20, 20))
    with inference(sampt):
        skipped = sampt.send()
        sampt.wait_for_count("frames_received", 3)
        newest = sampt.send()
        sampt.wait_for_count("frames_received", 4)
    sampt.result(newest)
    sampt.start_object((40, 30), stamp=skipped)
    # the tracker saw one frame since the click, and sees this one
    assert middle(sampt.track().labels == 2) == near(42, 30)


def test_a_camera_faster_than_the_node_is_never_queued(sampt):
    processing, period, frames = 0.04, 0.01, 120
    sampt.start_object((20, 20))
    sampt.segmenter.delay = processing
    sent: list[int] = []
    latency: dict[int, int] = {}  # in frames sent since, by stamp
    sampt.on_mask = lambda stamp: latency.setdefault(stamp, len(sent) - 1 - sent.index(stamp))
    begin = time.perf_counter()
    for index in range(frames):
        time.sleep(max(0.0, begin + index * period - time.perf_counter()))
        sent.append(sampt.next_stamp())
        sampt.send(stamp=sent[-1])
    sampt.segmenter.delay = 0.0
    sampt.result(sent[-1])
    values = sampt.diagnostics()
    received, tracked, dropped = (int(values[f"frames_{what}"]) for what in ("received", "tracked", "dropped"))
    assert dropped > frames / 4
    assert received == tracked + dropped
    # One processing time until the frame's turn comes, and one for itself, is 8 frames; a queue of 5 would make it 24.
    assert len(latency) == tracked - 1
    assert np.percentile(list(latency.values()), 90) <= 16


def play(sampt: Harness, frames: int, period: float) -> list[int]:
    """Send frames in the rhythm of a camera, in seconds; returns their stamps."""
    sent = []
    begin = time.perf_counter()
    for index in range(frames):
        time.sleep(max(0.0, begin + index * period - time.perf_counter()))
        sent.append(sampt.send())
    return sent


def test_where_frames_take_longer_than_the_period_the_effort_is_less_and_rises_again(sampt):
    period = 0.03
    sampt.tracker.drift = np.zeros(2, np.float32)  # so that the object stays in the image
    sampt.start_object((20, 20))
    assert sampt.diagnostics()["effort"] == "step 0 of 2: full effort"
    sampt.segmenter.delay = 2.5 * period  # the network takes it on each of its frames
    stamps = play(sampt, 120, period)
    values = sampt.diagnostics()
    assert values["effort"] == "step 2 of 2: the network on 1 of 2 frames"
    assert values["level"] == "OK" and "with the network on 1 of 2 frames" in values["message"]
    assert 0 < float(values["load (time for a frame / camera's period)"]) < 10
    sampt.result(stamps[-1])
    assert all(as_array(mask).any() for stamp, mask in sampt.masks.items() if stamp >= stamps[0])

    sampt.segmenter.delay = 0.0
    full = "step 0 of 2: full effort"
    wait_for(lambda: play(sampt, 40, period) and sampt.diagnostics()["effort"] == full, "the effort does not rise")
    assert sampt.diagnostics()["message"] == "tracking; objects: 1"


def test_with_load_shedding_switched_off_the_effort_is_always_full(start_node):
    sampt = start_node(shed_load=False).start()
    sampt.track()
    sampt.start_object((20, 20))
    sampt.segmenter.delay = 0.04
    play(sampt, 60, 0.01)
    assert sampt.diagnostics()["effort"] == "step 0 of 2: full effort"


# --- the process ---


@contextmanager
def process(folder, *parameters: str) -> Iterator[subprocess.Popen]:
    """`sampt_node`, started in `folder`."""
    given = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "sampt_ros.ros.node", "--ros-args", *given]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def test_an_interrupt_during_inference_ends_the_process_cleanly(listener, tmp_path):  # noqa: F811
    masks = listener.listen(Image, "/sampt/mask")
    images = listener.node.create_publisher(Image, "/image", 5)
    queries = listener.node.create_publisher(QueryPoints, "/sampt/query_points", 5)
    shown = iter(range(100_000))

    def show() -> None:
        index = next(shown)
        header = Header(stamp=time_from_ns(START_NS + index * FRAME_NS), frame_id=CAMERA)
        images.publish(image_from_array(two_disks(index)[0], "rgb8", header))
        if not tracking():
            queries.publish(QueryPoints(points=[QueryPoint(x=36.0, y=48.0, label=QueryPoint.POSITIVE)]))

    def tracking() -> bool:
        return bool(masks) and as_array(masks[-1]).any()

    with process(tmp_path) as node:
        listener.node.create_timer(0.01, show)
        wait_for(tracking, "nothing is tracked")
        node.send_signal(signal.SIGINT)
        _, log = node.communicate(timeout=PATIENCE)
    assert node.returncode == 0, log
    assert "Traceback" not in log


def test_without_autostart_the_node_waits_for_its_transitions(listener, tmp_path):  # noqa: F811
    with process(tmp_path, "autostart:=false") as node:
        answer = call(listener.node, GetState, "/sampt/get_state")
        node.send_signal(signal.SIGTERM)
        _, log = node.communicate(timeout=PATIENCE)
    assert answer.current_state.label == "unconfigured"
    assert (node.returncode, "Traceback" in log) == (0, False), log


def test_a_failed_start_is_told_and_the_process_lives(listener, tmp_path):  # noqa: F811
    with process(tmp_path, "preset:=magic") as node:
        answer = call(listener.node, GetState, "/sampt/get_state")
        node.send_signal(signal.SIGINT)
        _, log = node.communicate(timeout=PATIENCE)
    assert answer.current_state.label == "unconfigured"
    assert "cannot configure: unknown preset 'magic'" in log
    assert (node.returncode, "Traceback" in log) == (0, False), log
