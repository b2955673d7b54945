"""Tracked objects become messages: masks and points, poses and transforms, a cloud."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from ros_images import HEADER, HEIGHT, WIDTH
from sensor_msgs.msg import PointField, RegionOfInterest

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.geometry.surfaces import CLOUD, ObjectSurface
from sampt_ros.messages import fields
from sampt_ros.ros import conversions

SURFACE = ObjectSurface(
    np.array([[1, 2]]),
    np.array([[0.1, 0.2, 1.5]], np.float32),
    np.array([0.1, 0.2, 1.5]),
    np.array([0.0, 0.6, 0.0, 0.8]),
    np.array([[0.3, 0.4, 2.0], [np.nan] * 3], np.float32),
)
NOWHERE = ObjectSurface(
    SURFACE.xy[:0], SURFACE.xyz[:0], np.full(3, np.nan), np.full(4, np.nan), SURFACE.points * np.nan
)


def test_tracked_objects():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[1:3, 2:6] = True
    points = Points.start(np.array([7, 8]), np.array([[2.5, 1.5], [7, 0]]), np.array([1, 0]))
    points = points.moved(points.xy, np.array([True, False]), np.array([0.75, 0.25]))
    found = ObjectResult(3, ObjectState.TRACKING, 0.5, LocalMask.of(mask), points)
    lost = ObjectResult(65535, ObjectState.LOST, 0.0, LocalMask.of(np.zeros_like(mask)), Points.none())
    msg = fields.tracked_objects(FrameResult(0, mask.shape, (found, lost)), HEADER, conversions.message_classes())

    assert msg.header == HEADER
    first, second = msg.objects
    assert (first.id, first.state, first.score, first.area) == (3, 1, 0.5, 8)
    assert first.box == RegionOfInterest(x_offset=2, y_offset=1, width=4, height=2)
    values = [(p.id, p.x, p.y, p.label, p.visible, p.confidence) for p in first.points]
    assert values == [(7, 2.5, 1.5, 1, True, 0.75), (8, 7.0, 0.0, 0, False, 0.25)]
    assert (second.id, second.state, second.area, second.box, second.points) == (65535, 3, 0, RegionOfInterest(), [])


def test_poses_and_transforms_of_the_objects_that_have_one():
    found = {4: NOWHERE, 7: SURFACE}
    poses = fields.object_poses(found, HEADER, conversions.message_classes())
    (transform,) = conversions.object_transforms(found, HEADER, "front/sampt")
    assert poses.header == transform.header == HEADER
    (pose,) = poses.poses
    assert (pose.position.x, pose.position.y, pose.position.z) == (0.1, 0.2, 1.5)
    assert (pose.orientation.y, pose.orientation.w) == (0.6, 0.8)
    assert transform.child_frame_id == "front/sampt/object_7"
    assert (transform.transform.translation.z, transform.transform.rotation) == (1.5, pose.orientation)


def test_tracked_objects_have_poses_and_positions_where_depth_shows_them():
    points = Points.start(np.array([5, 6]), np.zeros((2, 2)), np.ones(2))
    item = ObjectResult(7, ObjectState.TRACKING, 0.9, LocalMask.of(np.zeros((HEIGHT, WIDTH), bool)), points)
    result = FrameResult(0, (HEIGHT, WIDTH), (item,))
    (shown,) = fields.tracked_objects(result, HEADER, conversions.message_classes(), {7: SURFACE}).objects
    assert shown.pose.position.z == 1.5
    assert [point.position.z for point in shown.points] == [2.0, pytest.approx(np.nan, nan_ok=True)]
    for found in (None, {}, {7: NOWHERE}):
        (hidden,) = fields.tracked_objects(result, HEADER, conversions.message_classes(), found).objects
        assert np.isnan([hidden.pose.position.x, hidden.pose.orientation.w, hidden.points[0].position.y]).all()


def test_a_cloud_is_laid_out_as_its_fields_say():
    points = np.zeros(3, CLOUD)
    points["z"], points["rgb"], points["object_id"] = [1, 2, 3], 0x0102FF, 70_000
    cloud = fields.point_cloud(points, HEADER, conversions.message_classes())
    assert (cloud.header, cloud.height, cloud.width, cloud.is_dense, cloud.is_bigendian) == (HEADER, 1, 3, True, False)
    assert (cloud.point_step, cloud.row_step, len(cloud.data)) == (20, 60, 60)
    laid_out = {field.name: (field.offset, field.datatype, field.count) for field in cloud.fields}
    float32, uint32 = PointField.FLOAT32, PointField.UINT32
    assert laid_out == {
        "x": (0, float32, 1),
        "y": (4, float32, 1),
        "z": (8, float32, 1),
        "rgb": (12, float32, 1),
        "object_id": (16, uint32, 1),
    }
    np.testing.assert_array_equal(np.frombuffer(cloud.data, CLOUD), points)
    assert list(cloud.data[12:16]) == [0xFF, 0x02, 0x01, 0]  # blue first, as PCL has it
    assert fields.point_cloud(points[:0], HEADER, conversions.message_classes()).width == 0
