"""Pinhole: projection both ways, with and without distortion."""

import cv2
import numpy as np
import pytest

from sampt_ros.errors import ProjectionError, QueryError
from sampt_ros.geometry.camera import Pinhole, transform_point

K = np.array([[500.0, 0, 319.5], [0, 510.0, 239.5], [0, 0, 1]])
NONE = np.zeros(0)
# Coefficients as calibrations of real lenses give them.
LENSES = {
    "plain": Pinhole(K, NONE, "", 640, 480),
    "webcam": Pinhole(K, np.array([0.12, -0.25, 0.001, -0.002, 0.1]), "plumb_bob", 640, 480),
    "wide": Pinhole(K, np.array([-0.36, 0.16, 0.0005, -0.001, -0.03]), "plumb_bob", 640, 480),
    "rational": Pinhole(K, np.array([8.2, 3.5, 1e-4, -2e-4, 0.15, 8.6, 6.3, 1.0]), "rational_polynomial", 640, 480),
    "fisheye": Pinhole(
        np.array([[285.0, 0, 424], [0, 285.0, 400], [0, 0, 1]]),
        np.array([-0.008, 0.044, -0.041, 0.007]),
        "equidistant",
        848,
        800,
    ),
}


@pytest.fixture(params=LENSES)
def camera(request) -> Pinhole:
    return LENSES[request.param]


def pixel_grid(camera: Pinhole) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(0, camera.width - 1, 33), np.linspace(0, camera.height - 1, 25))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def test_a_camera_of_another_image_size_is_refused(camera):
    size = (camera.height, camera.width)
    assert camera.for_images(size) is camera
    with pytest.raises(QueryError, match=f"expected the CameraInfo of 320x240 images; got one of {camera.width}x"):
        camera.for_images((240, 320))


def test_projection_by_hand():
    # 500 px per unit of x / z right of 319.5; 510 px per unit of y / z below 239.5
    xy = LENSES["plain"].project([[0, 0, 2], [0.2, -0.4, 2.0], [-1, 1, 10]])
    np.testing.assert_allclose(xy, [[319.5, 239.5], [369.5, 137.5], [269.5, 290.5]])
    assert xy.dtype == np.float64


def test_radial_distortion_by_hand():
    camera = Pinhole(K, np.array([-0.2, 0, 0, 0, 0]), "plumb_bob", 640, 480)
    # r = 0.5: the ray shrinks by 1 - 0.2 * 0.25 = 0.95
    np.testing.assert_allclose(camera.project([[0.5, 0, 1]]), [[319.5 + 500 * 0.5 * 0.95, 239.5]])


def test_equidistant_by_hand():
    camera = Pinhole(K, NONE, "equidistant", 640, 480)
    # r = f * theta, and theta is 45 degrees less a little: 300 px right of the centre
    theta = 300 / 500
    np.testing.assert_allclose(camera.project([[np.tan(theta), 0, 1]]), [[619.5, 239.5]], atol=1e-6)


def test_ray_of_every_pixel_projects_back_to_it(camera):
    xy = pixel_grid(camera)
    # No ray at z = 1 is 90 degrees off the axis or more, as the corners of this fisheye are.
    off_axis = np.linalg.norm(xy - camera.K[:2, 2], axis=1) / camera.K[0, 0]
    xy = xy[off_axis < 1.39] if camera.model == "equidistant" else xy
    rays = camera.ray(xy)
    assert (rays[:, 2] == 1).all()
    np.testing.assert_allclose(camera.project(rays * 3.7), xy, atol=1e-3)


def test_distortion_is_opencvs():
    camera = LENSES["wide"]
    rays = camera.ray(pixel_grid(camera))
    expected, _ = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), camera.K, camera.D)
    np.testing.assert_allclose(camera.project(rays), expected[:, 0], atol=1e-9)


def test_points_behind_the_camera_are_nan(camera):
    xyz = [[0, 0, -1], [0.1, 0.1, 0], [0, 0, 1], [np.nan, 0, 1], [np.inf, 0, 1]]
    assert np.isnan(camera.project(xyz)).all(axis=1).tolist() == [True, True, False, True, True]


def test_no_points_at_all(camera):
    assert camera.project(np.zeros((0, 3))).shape == (0, 2)
    assert camera.ray(np.zeros((0, 2))).shape == (0, 3)


@pytest.mark.parametrize("name", ["webcam", "wide", "rational"])
def test_points_far_off_the_axis_do_not_fold_back_into_the_image(name):
    camera = LENSES[name]
    corner = np.array([[0, 0], [camera.width - 1, 0], [0, camera.height - 1], [camera.width - 1, camera.height - 1]])
    widest = np.linalg.norm(camera.ray(corner)[:, :2], axis=1).max()
    directions = np.array([(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, 2 * np.pi, 32)])
    for radius in widest * np.geomspace(1.05, 1000, 200):
        xyz = np.column_stack([radius * directions, np.ones(len(directions))])
        assert not camera.contains(camera.project(xyz)).any(), f"at {radius:.2f}"


def test_the_fold_back_is_one_that_opencv_would_show():
    # The test above would pass with a lens that does not fold.
    camera = LENSES["wide"]
    raw, _ = cv2.projectPoints(np.array([[2.05, 0, 1.0]]), np.zeros(3), np.zeros(3), camera.K, camera.D)
    assert camera.contains(raw[:, 0]).all()
    with pytest.raises(ProjectionError, match="field of view"):
        camera.project_point([2.05, 0, 1.0])


def test_project_point_says_what_is_wrong():
    camera = LENSES["plain"]
    assert camera.project_point([0, 0, 1]) == (319.5, 239.5)
    with pytest.raises(QueryError, match=r"expected a point in front of the camera; got z = -2 m"):
        camera.project_point([0, 0, -2])
    with pytest.raises(QueryError, match=r"inside the 640x480 image; it projects to \(819\.5, 239\.5\)"):
        camera.project_point([1, 0, 1])


def test_the_image_ends_half_a_pixel_beyond_the_last_centre():
    inside = LENSES["plain"].contains(np.array([[-0.5, -0.5], [639.4, 479.4], [639.5, 0], [0, 479.5], [np.nan, 0]]))
    assert inside.tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"K": np.zeros((3, 3))}, "focal lengths above 0"),
        ({"K": np.eye(4)}, "3x3 camera matrix"),
        # skew, a matrix that is scaled as a whole, one that is not filled
        ({"K": K + 5 * np.eye(3, k=1)}, r"matrix \[\[fx, 0, cx\], \[0, fy, cy\], \[0, 0, 1\]\]; got"),
        ({"K": 2 * K}, "camera matrix .*; got"),
        ({"K": K * np.array([[1], [1], [0]])}, "camera matrix .*; got"),
        ({"width": 0}, "at least one pixel; got 0x480"),
        ({"D": np.ones(5), "model": "fov"}, "plumb_bob, rational_polynomial, equidistant; got 'fov'"),
        ({"D": np.ones(3), "model": "plumb_bob"}, "4 or 5 or 8 or 12 or 14 distortion coefficients"),
        ({"D": np.full(5, np.nan), "model": "plumb_bob"}, "distortion coefficients that are finite"),
        (
            {"D": np.full(5, 0.1), "model": "equidistant"},
            "4 distortion coefficients for equidistant, others only as 0",
        ),
        ({"D": np.ones(4), "model": "mei"}, "model of plumb_bob, rational_polynomial, equidistant; got 'mei'"),
    ],
)
def test_what_makes_no_camera_is_refused(change, message):
    with pytest.raises(QueryError, match=message):
        Pinhole(**{"K": K, "D": NONE, "model": "", "width": 640, "height": 480, **change})


@pytest.mark.parametrize(
    ("lens", "D", "model"),
    [
        # as the RealSense T265's driver publishes it
        ("fisheye", [-0.008, 0.044, -0.041, 0.007, 0.0], "equidistant"),
        ("fisheye", [-0.008, 0.044, -0.041, 0.007], "kannala_brandt"),
        ("fisheye", [-0.008, 0.044, -0.041, 0.007], "fisheye"),
        ("fisheye", [-0.008, 0.044, -0.041, 0.007], "EQUIDISTANT"),
        ("webcam", [0.12, -0.25, 0.001, -0.002, 0.1, 0, 0, 0], "plumb_bob"),
        ("webcam", [0.12, -0.25, 0.001, -0.002, 0.1], "radtan"),
        ("webcam", [0.12, -0.25, 0.001, -0.002, 0.1], "PLUMB_BOB"),
    ],
)
def test_zeros_too_many_and_other_names_make_the_same_camera(lens, D, model):  # noqa: N803
    known = LENSES[lens]
    camera = Pinhole(known.K, np.array(D), model, known.width, known.height)
    assert camera.is_like(known)


def test_a_fisheye_without_distortion_is_no_pinhole_however_it_is_written():
    upper, lower = (Pinhole(K, NONE, model, 640, 480) for model in ("EQUIDISTANT", "equidistant"))
    assert upper.is_like(lower)
    assert not np.allclose(upper.project([[1, 0, 2]]), Pinhole(K, NONE, "", 640, 480).project([[1, 0, 2]]))


@pytest.mark.parametrize("count", [5, 8, 14])
def test_the_brown_models_may_be_called_by_each_other_s_name(count):
    coefficients = np.array([0.12, -0.25, 0.001, -0.002, 0.1, 0.02, -0.01, 0.03, 1e-3, 2e-3, 1e-3, -1e-3, 0.01, 0.02])
    points = [[0.2, -0.4, 2.0], [-0.5, 0.3, 1.5]]
    expected, _ = cv2.projectPoints(np.array(points), np.zeros(3), np.zeros(3), K, coefficients[:count])
    for model in ("plumb_bob", "rational_polynomial"):
        camera = Pinhole(K, coefficients[:count], model, 640, 480)
        np.testing.assert_allclose(camera.project(points), expected[:, 0])


def test_an_unknown_model_without_distortion_is_a_plain_camera():
    camera = Pinhole(K, np.zeros(5), "none", 640, 480)
    np.testing.assert_allclose(camera.project([[0.2, -0.4, 2.0]]), [[369.5, 137.5]])


def test_transform_point_by_hand():
    # A quarter turn about z takes x to y; then 10 m along x. The quaternion's length does not matter.
    np.testing.assert_allclose(transform_point([1, 0, 5], [10, 0, 0], [0, 0, 1, 1]), [10, 1, 5], atol=1e-12)
    with pytest.raises(QueryError, match="quaternion"):
        transform_point([1, 0, 0], [0, 0, 0], [0, 0, 0, 0])
