"""What a depth image says of tracked objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.geometry.surfaces import (
    CLOUD,
    cloud,
    in_metres,
    object_surfaces,
    pose,
    positions,
    require_in_sight,
    surface_pixels,
)

HEIGHT, WIDTH, FOCAL = 48, 64, 60.0
CAMERA = Pinhole(np.array([[FOCAL, 0, 31.5], [0, FOCAL, 23.5], [0, 0, 1]]), np.zeros(0), "", WIDTH, HEIGHT)
BOX = np.s_[10:30, 20:50]
NEAR, FAR = 1.0, 2.0  # metres: a box before a wall


def box_before_wall() -> np.ndarray:
    depth = np.full((HEIGHT, WIDTH), FAR, np.float32)
    depth[BOX] = NEAR
    return depth


def item(mask: np.ndarray, xy=(), visible=None) -> ObjectResult:
    xy = np.array(xy, np.float32).reshape(-1, 2)
    points = Points.start(np.arange(len(xy)), xy, np.ones(len(xy)))
    if visible is not None:
        points = points.moved(points.xy, np.array(visible), points.confidence)
    return ObjectResult(1, ObjectState.TRACKING, 1.0, LocalMask.of(mask), points)


def box_mask(grown: int = 0) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[BOX[0].start - grown : BOX[0].stop + grown, BOX[1].start - grown : BOX[1].stop + grown] = True
    return mask


# Depth as it comes


@pytest.mark.parametrize(
    ("raw", "metres"),
    [
        (np.array([[0, 65535, 1, 1500]], np.uint16), [np.nan, np.nan, 0.001, 1.5]),
        (np.array([[0, np.nan, np.inf, -1, 1.5]], np.float32), [np.nan, np.nan, np.nan, np.nan, 1.5]),
        (np.array([[0.25]], np.float64), [0.25]),
    ],
    ids=["millimetres", "metres", "double precision"],
)
def test_depth_is_in_metres_and_nan_where_unknown(raw, metres):
    depth = in_metres(raw, raw.shape)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth[0], metres, rtol=1e-6)
    assert in_metres(raw.copy(), raw.shape) is not raw  # the message's data stay as they are


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (np.zeros((2, 3), np.uint8), "uint16 millimetres or float metres; got uint8"),
        (np.zeros((2, 3), np.int32), "got int32"),
        (np.zeros((3, 2), np.uint16), "the image's size 3x2; got 2x3"),
        (np.zeros((2, 3, 1), np.float32), "got 1x3x2"),
        (np.zeros((2, 3), np.uint16), "in which something is measured; got 0, NaN or the like in every pixel"),
        (np.full((2, 3), 65535, np.uint16), "in which something is measured"),
        (np.full((2, 3), np.nan, np.float32), "in which something is measured"),
    ],
)
def test_other_depth_is_refused(raw, error):
    with pytest.raises(FrameError, match=error):
        in_metres(raw, (2, 3))


# Tracked points


def test_a_visible_point_is_where_its_pixel_and_depth_say():
    points = item(box_mask(), [(31.5, 23.5), (40.0, 20.0), (5.0, 23.5)]).points
    found = positions(points, box_before_wall(), CAMERA)
    expected = [(0, 0, NEAR), (8.5 / FOCAL, -3.5 / FOCAL, NEAR), (-26.5 * FAR / FOCAL, 0, FAR)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_hidden_point_one_outside_and_one_without_depth_are_nowhere():
    depth = box_before_wall()
    depth[:6, :6] = np.nan
    points = item(box_mask(), [(30, 20), (WIDTH + 3, 20), (2, 2)], [False, True, True]).points
    assert np.isnan(positions(points, depth, CAMERA)).all()


def test_a_hole_in_the_depth_is_bridged_by_its_neighbours():
    depth = box_before_wall()
    depth[20, 30] = np.nan
    assert positions(item(box_mask(), [(30, 20)]).points, depth, CAMERA)[0, 2] == NEAR


def test_at_an_edge_a_point_is_on_one_side_never_between():
    depth = box_before_wall()
    depth[13, 19] = np.nan  # an even number of known depths around the point
    for x in (18, 19, 20, 21):
        assert positions(item(box_mask(), [(x, 14)]).points, depth, CAMERA)[0, 2] in (NEAR, FAR)


def test_points_in_the_image_corners_have_positions():
    corners = [(0, 0), (WIDTH - 1, 0), (-0.4, HEIGHT - 0.6), (WIDTH - 0.6, HEIGHT - 0.6)]
    np.testing.assert_array_equal(positions(item(box_mask(), corners).points, box_before_wall(), CAMERA)[:, 2], FAR)


def test_no_points_have_no_positions():
    assert positions(Points.none(), box_before_wall(), CAMERA).shape == (0, 3)


def test_distortion_is_undone():
    bent = Pinhole(CAMERA.K, np.array([-0.2, 0.02, 0, 0, 0]), "plumb_bob", WIDTH, HEIGHT)
    (found,) = positions(item(box_mask(), [(6, 40)]).points, box_before_wall(), bent)
    np.testing.assert_allclose(bent.project(found), [[6, 40]], atol=1e-3)
    np.testing.assert_allclose(bent.rays[40, 6] * FAR, found, atol=1e-5)


# Surfaces


def test_a_masks_spill_over_its_object_is_left_out():
    depth = box_before_wall()
    depth[BOX][:, 0] = 1.4  # pixels that float between box and wall
    xy = surface_pixels(item(box_mask(grown=3)), depth)
    x, y = xy.T
    assert box_mask()[y, x].all()
    np.testing.assert_array_equal(depth[y, x], NEAR)
    assert len(xy) > 0.7 * box_mask().sum()


def test_a_part_that_something_nearer_cuts_off_stays():
    depth = box_before_wall()
    depth[:, 34:37] = 0.5  # a pole before the box
    mask = box_mask()
    mask[:, 34:37] = False
    x, _ = surface_pixels(item(mask), depth).T
    assert x.min() < 30 and x.max() > 40


def test_a_slanted_surface_is_no_edge():
    depth = np.tile(np.linspace(1, 1.4, WIDTH, dtype=np.float32), (HEIGHT, 1))
    assert len(surface_pixels(item(box_mask()), depth)) == (20 - 4) * (30 - 4)


def test_the_image_border_is_no_border_of_the_object():
    full = np.ones((HEIGHT, WIDTH), bool)
    assert len(surface_pixels(item(full), box_before_wall() * 0 + NEAR)) == HEIGHT * WIDTH


@pytest.mark.parametrize("mask", [np.zeros((HEIGHT, WIDTH), bool), box_mask()], ids=["empty mask", "no depth"])
def test_without_pixels_or_depth_an_object_is_nowhere(mask):
    depth = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    result = FrameResult(0, (HEIGHT, WIDTH), (item(mask, [(30, 20)]),))
    (surface,) = object_surfaces(result, depth, CAMERA).values()
    assert (surface.xy.shape, surface.xyz.shape, surface.has_pose) == ((0, 2), (0, 3), False)
    assert np.isnan(surface.quaternion).all() and np.isnan(surface.points).all()


def test_an_object_is_as_far_and_as_large_as_it_is():
    result = FrameResult(0, (HEIGHT, WIDTH), (item(box_mask(), [(30, 20)]),))
    (surface,) = object_surfaces(result, box_before_wall(), CAMERA).values()
    np.testing.assert_allclose(surface.centre, [(34.5 - 31.5) / FOCAL, (19.5 - 23.5) / FOCAL, NEAR], atol=1e-6)
    np.testing.assert_allclose(np.ptp(surface.xyz, axis=0), [25 / FOCAL, 15 / FOCAL, 0], atol=0.5 / FOCAL)
    np.testing.assert_allclose(rotation(surface.quaternion)[:, 0], [1, 0, 0], atol=1e-3)  # it is wider than high
    np.testing.assert_allclose(rotation(surface.quaternion)[:, 2], [0, 0, -1], atol=1e-3)  # and faces the camera


def test_the_cloud_has_every_believed_pixel_once_with_its_colour_and_object():
    other = np.zeros((HEIGHT, WIDTH), bool)
    other[10:30, 40:60] = True  # overlaps the box; it is surer
    objects = (item(box_mask()), replace(item(other), id=9, score=2.0))
    result = FrameResult(0, (HEIGHT, WIDTH), objects)
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    depth = box_before_wall() * 0 + NEAR
    points = cloud(result, object_surfaces(result, depth, CAMERA), image)
    assert points.dtype == CLOUD
    xyz = np.stack([points["x"], points["y"], points["z"]], axis=1)
    x, y = np.rint(CAMERA.project(xyz)).astype(int).T
    assert len(set(zip(x.tolist(), y.tolist()))) == len(points)
    np.testing.assert_array_equal(points["object_id"], result.labels[y, x])
    assert set(points["object_id"]) == {1, 9}
    red, green, blue = image[y, x].astype(np.uint32).T
    np.testing.assert_array_equal(points["rgb"], red * 65536 + green * 256 + blue)


def test_without_objects_the_cloud_is_empty():
    result = FrameResult(0, (HEIGHT, WIDTH))
    assert cloud(result, {}, np.zeros((HEIGHT, WIDTH, 3), np.uint8)).shape == (0,)


# Poses


def rotation(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) of a quaternion x, y, z, w."""
    x, y, z, w = quaternion
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


@pytest.mark.parametrize("seed", range(8))
def test_the_axes_are_those_of_the_extents_right_handed_and_repeatable(seed):
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    xyz = (rng.uniform(-1, 1, (4000, 3)) * [0.3, 0.1, 0.02]) @ axes.T + [0.2, -0.1, 1.5]
    centre, quaternion = pose(xyz.astype(np.float32))
    turned = rotation(quaternion)
    assert np.linalg.norm(quaternion) == pytest.approx(1)
    assert np.linalg.det(turned) == pytest.approx(1)
    assert np.abs((turned * axes).sum(axis=0)) == pytest.approx(1, abs=1e-3)
    assert turned[:, 2] @ centre < 0
    assert turned[np.abs(turned[:, 0]).argmax(), 0] > 0
    np.testing.assert_allclose(centre, [0.2, -0.1, 1.5], atol=0.02)
    # the order of the points does not matter
    again = pose(rng.permutation(xyz).astype(np.float32))[1]
    np.testing.assert_allclose(again, quaternion, atol=1e-4)


def test_a_few_wild_points_do_not_move_the_centre():
    xyz = np.random.default_rng(0).normal([0, 0, 1], 0.01, (1000, 3))
    xyz[:50, 2] = 5
    np.testing.assert_allclose(pose(xyz)[0], [0, 0, 1], atol=0.003)


# What hides what


@pytest.mark.parametrize("z", [NEAR, NEAR + 0.04, NEAR - 0.3], ids=["on it", "within the tolerance", "before it"])
def test_a_point_on_or_before_the_surface_is_in_sight(z):
    require_in_sight(np.array([0, 0, z]), (31, 23), box_before_wall())


def test_a_point_behind_the_surface_is_refused_with_the_reason():
    with pytest.raises(QueryError, match=r"1.20 m deep, and something 1.00 m deep hides it at pixel \(31, 23\)"):
        require_in_sight(np.array([0, 0, 1.2]), (31, 23), box_before_wall())


def test_far_away_the_tolerance_is_larger():
    require_in_sight(np.array([0, 0, 8.15]), (31, 23), box_before_wall() * 8)
    with pytest.raises(QueryError):
        require_in_sight(np.array([0, 0, 8.25]), (31, 23), box_before_wall() * 8)


def test_beside_an_edge_or_without_depth_nothing_is_known_to_hide_a_point():
    require_in_sight(np.array([0, 0, FAR]), (BOX[1].start - 1, 20), box_before_wall())
    require_in_sight(np.array([0, 0, FAR]), (0, 0), np.full((HEIGHT, WIDTH), np.nan, np.float32))
