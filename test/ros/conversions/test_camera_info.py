"""A CameraInfo becomes a pinhole camera."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from ros_images import changed
from sensor_msgs.msg import CameraInfo, RegionOfInterest

from sampt_ros.errors import QueryError
from sampt_ros.ros import conversions


def camera_info(**changes) -> CameraInfo:
    msg = CameraInfo(width=640, height=480, distortion_model="plumb_bob", d=[-0.1, 0.01, 0.0, 0.0, 0.0])
    msg.k = [500.0, 0.0, 320.0, 0.0, 510.0, 240.0, 0.0, 0.0, 1.0]
    msg.p = [450.0, 0.0, 310.0, 0.0, 0.0, 460.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    return changed(msg, changes)


def test_camera_info():
    camera = conversions.intrinsics_from_camera_info(camera_info())
    assert camera.K.tolist() == [[500, 0, 320], [0, 510, 240], [0, 0, 1]]
    assert camera.D.tolist() == [-0.1, 0.01, 0, 0]  # the fifth, which is 0, says nothing
    assert (camera.model, camera.width, camera.height) == ("plumb_bob", 640, 480)


def test_a_rectified_image_has_the_matrix_p_and_no_distortion():
    camera = conversions.intrinsics_from_camera_info(camera_info(), rectified=True)
    assert camera.K.tolist() == [[450, 0, 310], [0, 460, 230], [0, 0, 1]]
    assert not camera.D.any()


def test_region_of_interest_is_cut_before_binning():
    window = RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)
    camera = conversions.intrinsics_from_camera_info(camera_info(roi=window, binning_x=2, binning_y=4))
    assert camera.K.tolist() == [[250, 0, 110], [0, 127.5, 50], [0, 0, 1]]
    assert (camera.width, camera.height) == (200, 75)


@pytest.mark.parametrize("rectified", [False, True])
def test_uncalibrated_cameras_are_refused(rectified):
    with pytest.raises(QueryError, match="expected a calibrated CameraInfo"):
        conversions.intrinsics_from_camera_info(CameraInfo(width=640, height=480), rectified)


def test_unknown_distortion_is_refused():
    with pytest.raises(QueryError, match="got 'fov'"):
        conversions.intrinsics_from_camera_info(camera_info(distortion_model="fov"))
