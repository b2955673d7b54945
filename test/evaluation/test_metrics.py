from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.evaluation.metrics import boundary_accuracy, region_similarity, score_correlation

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
    ("ratings", "correlation"),
    [
        # a score that is right up to scale and offset, and one that is upside down
        (((0.1, 0.2), (0.2, 0.4), (0.4, 0.8)), 1),
        (((0.9, 0.1), (0.5, 0.5), (0.1, 0.9)), -1),
        # four corners of a square say nothing, two of them once more say a little
        (((0, 0), (1, 0), (0, 1), (1, 1), (0, 0), (1, 1)), 1 / 3),
        # too few: none at all, and two, which always lie on a line
        ((), None),
        (((0.1, 0.2), (0.2, 0.9)), None),
        # a score, or a truth, that never changes
        (((1, 0.2), (1, 0.4), (1, 0.8)), None),
        (((0.1, 1), (0.2, 1), (0.4, 1)), None),
    ],
)
def test_the_correlation_of_scores_and_true_iou(ratings, correlation):
    assert score_correlation(ratings) == (correlation if correlation is None else pytest.approx(correlation))
