from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import disk, texture

from sampt_ros.config.core import SELECTION
from sampt_ros.tracking.points import sampling as point_selection
from sampt_ros.tracking.points.sampling import POINT_SELECTION, k_medoids, mixed, shi_tomasi

GRAY = cv2.cvtColor(texture(), cv2.COLOR_RGB2GRAY)
MASK = disk((70, 60), 30)

every_method = pytest.mark.parametrize("select", POINT_SELECTION.values(), ids=POINT_SELECTION.keys())


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pixels(*xy: tuple[int, int]) -> np.ndarray:
    """A mask of just these pixels."""
    mask = np.zeros_like(MASK)
    for x, y in xy:
        mask[y, x] = True
    return mask


def as_set(xy: np.ndarray) -> set[tuple[float, ...]]:
    return {tuple(point) for point in xy.tolist()}


def test_the_configuration_offers_every_method():
    assert set(SELECTION) == set(POINT_SELECTION)


@every_method
@pytest.mark.parametrize("count", [1, 2, 8, 72])
def test_points_are_as_many_as_wanted_distinct_and_inside(select, count):
    xy = select(MASK, count, rng(), GRAY)
    assert (xy.shape, xy.dtype, len(as_set(xy))) == ((count, 2), np.float32, count)
    assert all(MASK[int(y), int(x)] for x, y in xy)


@every_method
def test_the_same_seed_gives_the_same_points(select):
    np.testing.assert_array_equal(select(MASK, 8, rng(3), GRAY), select(MASK, 8, rng(3), GRAY))


@pytest.mark.parametrize("name", ["random", "k_medoids", "mixed"])
def test_another_seed_gives_other_points(name):
    select = POINT_SELECTION[name]
    assert as_set(select(MASK, 8, rng(3), GRAY)) != as_set(select(MASK, 8, rng(4), GRAY))


@every_method
def test_a_mask_with_fewer_pixels_gives_each_of_them_once(select):
    # in a corner, at the border, and alone
    corner = [(0, 0), (159, 60), (80, 80)]
    assert as_set(select(pixels(*corner), 8, rng(), GRAY)) == set(corner)


@every_method
@pytest.mark.parametrize(("mask", "count"), [(np.zeros_like(MASK), 8), (MASK, 0)], ids=["empty mask", "none wanted"])
def test_nothing_gives_no_points(select, mask, count):
    assert select(mask, count, rng(), GRAY).shape == (0, 2)


@every_method
def test_an_image_without_texture_gives_points_all_the_same(select):
    assert len(as_set(select(MASK, 8, rng(), np.zeros_like(GRAY)))) == 8


@every_method
def test_the_mask_is_not_changed(select):
    mask = MASK.copy()
    select(mask, 8, rng(), GRAY)
    np.testing.assert_array_equal(mask, MASK)


def test_shi_tomasi_stays_off_the_outline():
    # the strongest corners of a black rectangle on white are its own
    mask = np.zeros_like(MASK)
    mask[30:80, 40:100] = True
    gray = np.where(mask, GRAY // 4, 255).astype(np.uint8)
    xy = shi_tomasi(mask, 12, rng(), gray)
    assert (xy >= [42, 32]).all()
    assert (xy <= [97, 77]).all()


def test_shi_tomasi_finds_the_corners():
    gray = np.zeros_like(GRAY)
    gray[45:75, 55:85] = 255
    xy = shi_tomasi(MASK, 4, rng(), gray)
    corners = np.array([(55, 45), (84, 45), (55, 74), (84, 74)])
    assert np.abs(xy[:, None] - corners).max(axis=2).min(axis=0).max() <= 1


def test_k_medoids_puts_one_point_in_each_of_separate_blobs():
    centers = [(20, 20), (140, 20), (20, 100), (140, 100)]
    blobs = np.logical_or.reduce([disk(center, 5) for center in centers])
    xy = k_medoids(blobs, 4, rng(), GRAY)
    # each blob's point is near its middle
    assert np.linalg.norm(xy[:, None] - np.array(centers), axis=2).min(axis=0).max() <= 2.5


@pytest.mark.parametrize(
    ("count", "shares"),
    [
        (12, [3, 4, 5]),
        (72, [18, 24, 30]),
        (1, [0, 0, 1]),  # too few to share
        (3, [0, 1, 2]),
    ],
)
def test_mixed_is_a_quarter_k_medoids_a_third_shi_tomasi_the_rest_random(monkeypatch, count, shares):
    asked = {}  # by method; the last call of each is the one that `mixed` makes itself

    def watched(name):
        select = POINT_SELECTION[name]

        def watch(mask, wanted, *rest):
            xy = select(mask, wanted, *rest)
            asked[name] = wanted
            return xy

        return watch

    for name in ("k_medoids", "shi_tomasi", "random"):
        monkeypatch.setattr(point_selection, name, watched(name))
    mixed(MASK, count, rng(), GRAY)
    assert [asked["k_medoids"], asked["shi_tomasi"], asked["random"]] == shares
