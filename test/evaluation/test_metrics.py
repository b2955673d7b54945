from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.evaluation.metrics import boundary_accuracy, region_similarity
from sampt_ros.evaluation.simulated_clicks import most_interior_point

EMPTY = np.zeros((120, 214), bool)
SQUARE = EMPTY.copy()
SQUARE[40:80, 60:100] = True


def test_j_and_f_equal_the_benchmarks_own(shared_folder):
    golden = np.load(shared_folder / "golden/davis_metrics.npz")
    pairs = list(zip(golden["ground_truth"], golden["prediction"]))
    np.testing.assert_allclose([region_similarity(*pair) for pair in pairs], golden["j"], atol=1e-6)
    np.testing.assert_allclose([boundary_accuracy(*pair) for pair in pairs], golden["f"], atol=1e-6)


@pytest.mark.parametrize("mask", [SQUARE, EMPTY], ids=["square", "empty"])
def test_a_mask_equals_itself(mask):
    assert (region_similarity(mask, mask), boundary_accuracy(mask, mask)) == (1, 1)


@pytest.mark.parametrize(("truth", "mask"), [(SQUARE, EMPTY), (EMPTY, SQUARE), (SQUARE, np.roll(SQUARE, 100, axis=1))])
def test_masks_without_overlap_share_nothing(truth, mask):
    assert (region_similarity(truth, mask), boundary_accuracy(truth, mask)) == (0, 0)


def test_j_is_intersection_over_union():
    # moved by half its width: 20 of 60 columns are shared
    assert region_similarity(SQUARE, np.roll(SQUARE, 20, axis=1)) == pytest.approx(1 / 3)


def test_f_forgives_a_shift_within_the_tolerance_of_two_pixels_and_no_more():
    assert boundary_accuracy(SQUARE, np.roll(SQUARE, 2, axis=1)) == 1
    assert boundary_accuracy(SQUARE, np.roll(SQUARE, 3, axis=1)) < 1


@pytest.mark.parametrize(
    ("mask", "xy"),
    [
        # the middle of a square with an odd side
        (np.pad(np.ones((5, 5), bool), 3), (5, 5)),
        # the image border is outside: the middle column of a full image
        (np.ones((3, 3), bool), (1, 1)),
        # a single pixel
        (np.pad(np.ones((1, 1), bool), ((2, 0), (4, 0))), (4, 2)),
    ],
)
def test_the_most_interior_point_is_farthest_from_outside(mask, xy):
    assert most_interior_point(mask) == xy
