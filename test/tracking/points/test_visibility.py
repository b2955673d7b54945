from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.data_types import Frame
from sampt_ros.tracking.points.visibility import PatchFilter, away_from_border

IDS = np.array([7, 8])
XY = np.array([(10, 10), (30, 20)], np.float32)


def uniform(*rgb: int) -> Frame:
    return Frame(0, np.full((40, 50, 3), rgb, np.uint8))


@pytest.mark.parametrize(
    ("xy", "away"),
    [
        ((50, 25), True),  # in the middle
        ((10, 5), True),  # just inside a tenth of each side
        ((9.9, 25), False),  # left
        ((90.1, 25), False),  # right
        ((50, 4.9), False),  # above
        ((50, 45.1), False),  # below
        ((-20, 25), False),  # outside the image
    ],
)
def test_the_border_is_a_share_of_each_side(xy, away):
    assert away_from_border(np.array([xy], np.float32), (51, 101), 0.1).tolist() == [away]


def test_a_share_of_zero_is_the_image_itself():
    corners = np.array([(0, 0), (100, 50), (101, 50)], np.float32)
    assert away_from_border(corners, (51, 101), 0).tolist() == [True, True, False]


def test_a_point_on_the_same_colours_does_not_differ():
    patches = PatchFilter()
    patches.add(IDS, XY, uniform(90, 120, 30))
    np.testing.assert_allclose(patches.difference(IDS, XY + 5, uniform(90, 120, 30)), 0, atol=1e-3)


def test_the_difference_is_in_cielab_units():
    patches = PatchFilter()
    patches.add(IDS, XY, uniform(0, 0, 0))
    # from black to white L* goes from 0 to 100
    np.testing.assert_allclose(patches.difference(IDS, XY, uniform(255, 255, 255)), 100, atol=1)


def test_each_point_is_compared_with_its_own_patch():
    image = np.zeros((40, 50, 3), np.uint8)
    image[:, 20:] = 255  # black under the first point, white under the second
    patches = PatchFilter()
    patches.add(IDS, XY, Frame(0, image))
    # asked for in the other order, on white
    assert (patches.difference(IDS[::-1], XY[::-1], uniform(255, 255, 255)) < 1).tolist() == [True, False]


def test_a_patch_is_three_pixels_wide():
    image = np.zeros((40, 50, 3), np.uint8)
    image[:, 11:] = 255
    patches = PatchFilter()
    patches.add(IDS[:1], XY[:1], Frame(0, image))
    # one column of the three is white
    np.testing.assert_allclose(patches.difference(IDS[:1], XY[:1], uniform(0, 0, 0)), 100 / 3, atol=1)


def test_a_point_outside_the_image_has_the_colours_of_its_edge():
    patches = PatchFilter()
    patches.add(IDS, XY, uniform(0, 0, 0))
    outside = np.array([(-30, 10), (500, 500)], np.float32)
    np.testing.assert_allclose(patches.difference(IDS, outside, uniform(0, 0, 0)), 0, atol=1e-3)


def test_removed_points_are_forgotten():
    patches = PatchFilter()
    patches.add(IDS, XY, uniform(0, 0, 0))
    patches.remove(np.array([8, 99]))  # 99 was never there
    assert len(patches.difference(IDS[:1], XY[:1], uniform(0, 0, 0))) == 1
    with pytest.raises(KeyError):
        patches.difference(IDS, XY, uniform(0, 0, 0))


def test_no_points_have_no_difference():
    nothing = np.zeros(0, int), np.zeros((0, 2), np.float32)
    patches = PatchFilter()
    patches.add(*nothing, uniform(0, 0, 0))
    assert patches.difference(*nothing, uniform(0, 0, 0)).shape == (0,)
