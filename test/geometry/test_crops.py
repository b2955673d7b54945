from __future__ import annotations

import cv2
import numpy as np
import pytest
from synthetic import disk, texture

from sampt_ros.data_types import LocalMask
from sampt_ros.geometry.crops import Crop, Window, box_of, cell_shares, draw_box, draw_points, resized

IMAGE = texture(120, 160)
MEAN = [124, 116, 104]


@pytest.mark.parametrize(
    ("centre", "side", "expected"),
    [
        ((80, 60), 64, (48, 28, 64)),  # where it is asked for
        ((5, 118), 64, (0, 56, 64)),  # moved inside
        ((80, 60), 140, (10, -10, 140)),  # higher than the image: centred on it
        ((80, 60), 500, (0, -20, 160)),  # no larger than the longer side
        ((80, 60), 3, (64, 44, 32)),  # no smaller than the smallest
    ],
)
def test_a_window_is_inside_the_image_where_it_fits(centre, side, expected):
    window = Window.centred(np.array(centre), side, (120, 160), 64)
    assert (window.left, window.top, window.side) == expected


def test_a_window_around_a_box_has_its_margin():
    window = Window.around(np.array([60, 50, 99, 69]), 1.5, (120, 160), 64)
    assert (window.left, window.top, window.side) == (50, 30, 60)


def test_what_is_beyond_the_image_has_the_mean_colour():
    window = Window.centred(np.array([80, 60]), 160, (120, 160), 160)
    cut = window.cut(IMAGE)
    np.testing.assert_array_equal(cut[20:140], IMAGE)
    assert (cut[:20] == MEAN).all()
    assert (cut[140:] == MEAN).all()
    assert not window.cut(np.ones((120, 160), np.float32))[:20].any()


def test_masks_are_cut_and_pasted_as_their_numbers_are():
    mask = disk((10, 60), 20, 120, 160)
    window = Window.centred(np.array([10, 60]), 160, (120, 160), 50)
    cut = window.cut(mask)
    np.testing.assert_array_equal(cut, window.cut(mask.astype(np.float32)))
    np.testing.assert_array_equal(cut, window.cut_mask(LocalMask.of(mask)))
    np.testing.assert_array_equal(cut, window.cut_mask(LocalMask.of(mask).trimmed()))
    pasted = window.paste(2 * cut - 1, (120, 160), -1)
    np.testing.assert_array_equal(pasted[window.visible], window.enlarged(2 * cut - 1, (120, 160)))


@pytest.mark.parametrize("size", [32, 64, 100])
@pytest.mark.parametrize("centre", [(80, 60), (10, 10), (150, 100)])
def test_a_mask_comes_back_where_it_was(centre, size):
    mask = disk(centre, 20, 120, 160)
    window = Window.around(box_of(mask), 1.6, (120, 160), size)
    back = window.paste(2 * window.cut(mask.astype(np.float32)) - 1, (120, 160), -1) > 0
    assert np.count_nonzero(back ^ mask) < 0.12 * np.count_nonzero(mask)


def test_points_are_drawn_where_the_picture_shows_them():
    spot = np.zeros((120, 160), np.float32)
    spot[70:74, 40:44] = 1  # its middle is (41.5, 71.5)
    window = Window.centred(np.array([50, 60]), 96, (120, 160), 24)
    drawn = draw_points(window.to_window(np.array([(41.5, 71.5)])), 24)
    assert np.unravel_index(drawn.argmax(), drawn.shape) == np.unravel_index(window.cut(spot).argmax(), (24, 24))


def test_no_points_draw_nothing_and_many_draw_each():
    assert not draw_points(np.zeros((0, 2)), 16).any()
    drawn = draw_points(np.array([(2, 3), (12, 9), (40, 40)]), 16)  # the last one is beyond
    assert (drawn[3, 2], drawn[9, 12]) == (1, 1)
    assert drawn[15, 0] < 0.01


def test_points_far_beyond_a_map_draw_nothing_and_those_near_it_reach_into_it():
    assert draw_points(np.array([[100.0, 4], [4, -100]]), 9).max() == 0
    assert draw_points(np.array([[-1.0, 4]]), 9)[4, 0] == pytest.approx(np.exp(-0.5))


@pytest.mark.parametrize("size", [(120, 90), (80, 60), (64, 48), (53, 40), (30, 23), (8, 6)])
def test_an_image_that_becomes_smaller_is_about_its_exact_mean(size):
    exact = cv2.resize(IMAGE, size, interpolation=cv2.INTER_AREA).astype(float)
    scaled = resized(IMAGE, size)
    assert (scaled.shape, scaled.dtype) == (exact.shape, np.uint8)
    assert np.abs(scaled - exact).mean() < 0.2 * exact.std()
    assert scaled.mean() == pytest.approx(exact.mean(), abs=1)


def test_a_map_that_becomes_smaller_has_its_exact_mean():
    values = np.random.default_rng(0).random((60, 90), dtype=np.float32)
    np.testing.assert_allclose(resized(values, (30, 20)), values.reshape(20, 3, 30, 3).mean((1, 3)), atol=1e-6)


def test_what_becomes_larger_is_interpolated():
    np.testing.assert_array_equal(resized(np.float32([[0, 4]]), (4, 1)), [[0, 1, 3, 4]])


@pytest.mark.parametrize(("left", "top", "expected"), [(0, 0, True), (96, 56, True), (97, 56, False), (0, -1, False)])
def test_a_window_may_reach_beyond_the_image(left, top, expected):
    assert Window(left, top, 64, 32).lies_within((120, 160)) == expected


def test_a_box_is_filled():
    drawn = draw_box(np.array([2.5, -3, 5.2, 1]), 8)
    assert drawn[:2, 2:7].all()
    assert drawn.sum() == 10


def test_the_box_of_a_mask_includes_its_outermost_pixels():
    mask = np.zeros((10, 12), bool)
    mask[3:5, 6:9] = True
    assert box_of(mask).tolist() == [6, 3, 8, 4]


@pytest.mark.parametrize("window", [(0, 0, 160, 120), (10, 20, 60, 60), (-7, 90, 64, 48), (3, 5, 7, 9)])
def test_cells_are_covered_by_the_share_of_a_mask_that_lies_in_them(window):
    mask = disk((40, 60), 30, 120, 160)
    left, top, width, height = window
    shares = cell_shares(LocalMask.of(mask), window, (4, 5))
    shown = np.pad(mask, 100)[top + 100 : top + 100 + height, left + 100 : left + 100 + width]
    fine = np.kron(shown, np.ones((20, 20), bool))  # 20 x 20 pixels for each, so that cells are whole numbers of them
    expected = fine.reshape(4, 5 * height, 5, 4 * width).mean((1, 3))
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    assert ((shares == 0) == (expected == 0)).all()


def test_cells_that_only_touch_a_mask_have_a_share_of_0():
    mask = np.zeros((480, 1), bool)
    mask[:240] = True
    shares = cell_shares(LocalMask.of(mask), (0, 0, 1, 480), (26, 1))  # The edge is 480 / 26 * 13, in floats 239.99...
    assert np.flatnonzero(shares).tolist() == list(range(13))


@pytest.mark.parametrize("size", [(50, 40), (100, 80), (37, 29)])
def test_a_crop_of_a_mask_of_bool_is_that_of_the_same_mask_of_float(size):
    mask = np.zeros((120, 160), bool)
    mask[20:70, 50:131] = True
    mask[40:50, 60:70] = False
    crop = Crop((30, 10, 130, 90), size)
    exact = crop.cut_mask(LocalMask.of(mask.astype(np.float32)))
    np.testing.assert_allclose(crop.cut_mask(LocalMask.of(mask)), exact, atol=1e-6)
    np.testing.assert_allclose(crop.cut_mask(LocalMask.of(mask).trimmed()), exact, atol=1e-6)
    assert not crop.cut_mask(LocalMask.empty((120, 160))).any()


@pytest.mark.parametrize("window", [(0, 0, 20, 20), (90, 70, 10, 10), (0, 60, 100, 20), (-50, -50, 30, 30)])
def test_a_grid_beside_a_mask_shares_nothing_with_it(window):
    mask = np.zeros((80, 100), bool)
    mask[20:60, 30:90] = True
    assert not cell_shares(LocalMask.of(mask).trimmed(), window, (7, 5)).any()
