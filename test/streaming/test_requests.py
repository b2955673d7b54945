from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.streaming.requests import ObjectStart, Request, fitted_box, fitted_mask

SIZE = (48, 64)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((50, 10, 90, 30), (50, 10, 63, 30)),
        ((-5, -7, 20, 30), (0, 0, 20, 30)),
        ((10, 10, 1e9, 1e9), (10, 10, 63, 47)),
    ],
)
def test_a_box_that_passes_the_border_is_clipped(box, expected):
    assert fitted_box(box, SIZE) == (expected, ["its box clipped to the 64x48 image"])


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 63, 47),
        (-0.5, 3, 64, 48),  # the outer edges of the border's pixels
        (70, 10, 90, 30),  # beside the image
        (30, 10, 20, 30),
        (np.nan, 10, 90, 30),
    ],
)
def test_any_other_box_stays_what_it_is(box):
    found, changes = fitted_box(box, SIZE)
    np.testing.assert_array_equal(found, box)
    assert changes == []


@pytest.mark.parametrize("size", [(24, 32), (96, 128), (47, 63), (6, 8)])
def test_a_mask_of_the_images_aspect_is_scaled(size):
    mask = np.zeros(size, bool)
    mask[: size[0] // 2, : size[1] // 2] = True
    scaled, changes = fitted_mask(mask, SIZE)
    assert changes == [f"its mask scaled from {size[1]}x{size[0]} to 64x48"]
    assert (scaled.shape, scaled.dtype) == (SIZE, bool)
    assert scaled.mean() == pytest.approx(0.25, abs=0.02)
    assert scaled[:23, :31].all() and not scaled[25:].any() and not scaled[:, 33:].any()


@pytest.mark.parametrize("size", [(48, 64), (49, 64), (64, 48), (48, 48), (0, 0)])
def test_any_other_mask_stays_what_it_is(size):
    mask = np.ones(size, bool)
    assert fitted_mask(mask, SIZE) == (mask, [])


def test_what_was_changed_is_said_for_both_and_nothing_where_nothing_is_given():
    mask = np.ones((24, 32), bool)
    start, changes = ObjectStart(box=[50, 10, 90, 30], mask=mask).fitted(SIZE)
    assert (start.box, start.mask.shape, len(changes)) == ([50, 10, 63, 30], SIZE, 2)
    request, changes = Request(box=(50, 10, 90, 30), mask=mask).fitted(SIZE)
    assert (request.box, request.mask.shape, len(changes)) == ((50, 10, 63, 30), SIZE, 2)
    assert ObjectStart([(1, 2)], [1]).fitted(SIZE)[1] == Request().fitted(SIZE)[1] == []


@pytest.mark.parametrize(
    ("points", "labels", "told"),
    [
        # on the mask, and near it, as hands draw
        ([(10, 10), (28, 10)], [1, 1], []),
        # far off it
        ([(10, 10), (50, 10)], [1, 1], ["its point 50,10 is 31 pixels off its mask; the mask is used unchanged"]),
        # off the object: near its mask, and deep inside
        ([(50, 10), (15, 10)], [0, 0], []),
        (
            [(5, 10)],
            [0],
            ["its point 5,10 is 15 pixels inside its mask though off the object; the mask is used unchanged"],
        ),
        # what is refused elsewhere
        ([(float("nan"), 10)], [1], []),
        ([(50, 10)], [], []),
    ],
)
def test_points_that_a_mask_contradicts_are_told(points, labels, told):
    mask = np.zeros(SIZE, bool)
    mask[:, :20] = True
    assert ObjectStart(points, labels, mask=mask).fitted(SIZE)[1] == told
    assert Request(points=np.array(points), labels=np.array(labels), mask=mask).fitted(SIZE)[1] == told


def test_a_mask_that_belongs_to_a_reference_picture_is_left_alone():
    start = ObjectStart(mask=np.ones((24, 32), bool), reference=np.zeros((24, 32, 3), np.uint8))
    assert start.fitted(SIZE) == (start, [])
