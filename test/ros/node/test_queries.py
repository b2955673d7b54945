"""Clicks, queries and references that start objects, change or end them."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from node_harness import CAMERA, FRAME_NS, HEIGHT, WIDTH, middle, near
from sampt_ros.msg import QueryPoint, QueryPoints, Reference, TrackedObject
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from synthetic import two_disks

from sampt_ros.data_types import NEGATIVE
from sampt_ros.ros.conversions import image_from_array


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
