"""Queries and clicks that make no sense are refused with the reason, and tracking goes on."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from node_harness import CAMERA, CAMERA_INFO, HEIGHT, START_NS, WIDTH, middle, near
from sampt_ros.msg import QueryPoints
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from sampt_ros.data_types import NEGATIVE


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
    "NaN": ((np.nan, 0.0, 1.0), CAMERA, "finite coordinates; got (nan, 0, 1)"),
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


def test_tf_brings_a_click_into_the_cameras_frame(sampt, listener):
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
