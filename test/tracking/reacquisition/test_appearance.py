"""What is learned of an object's looks, on made-up feature maps."""

import numpy as np
import pytest

from sampt_ros.data_types import LocalMask
from sampt_ros.tracking.reacquisition.appearance import AppearanceModel, MaskedCells

SIZE = (60, 80)  # of the images; 6 x 8 cells
RED, BLUE, GREEN = np.eye(3, dtype=np.float32)


def scene(**at):
    """A feature map (6, 8, 3), green but for the cells named: color=(x, y)."""
    feature_map = np.tile(GREEN, (6, 8, 1))
    for name, (x, y) in at.items():
        feature_map[y, x] = {"red": RED, "blue": BLUE}[name]
    return feature_map


def mask_of(x, y):
    """The mask of the cell (x, y)."""
    mask = np.zeros(SIZE, bool)
    mask[10 * y : 10 * y + 10, 10 * x : 10 * x + 10] = True
    return mask


def cells(feature_map, mask):
    """The cells of a feature map that a mask (H, W) covers."""
    return MaskedCells.of(feature_map, LocalMask.of(mask))


def test_it_answers_to_the_object_and_to_nothing_else():
    appearance = AppearanceModel(capacity=4)
    appearance = appearance.learned(0, cells(scene(red=(2, 3), blue=(5, 1)), mask_of(2, 3)))
    response = appearance.response(scene(red=(6, 4), blue=(1, 1)))
    assert response.dtype == np.float32
    assert np.unravel_index(response.argmax(), response.shape) == (4, 6)
    assert response[4, 6] > 0.9
    assert abs(response[1, 1]) < 0.1  # seen in the background


def test_resemblance_is_that_of_what_the_mask_covers():
    appearance = AppearanceModel(capacity=4)
    appearance = appearance.learned(0, cells(scene(red=(2, 3)), mask_of(2, 3)))
    assert appearance.resemblance(cells(scene(red=(6, 4)), mask_of(6, 4))) == pytest.approx(1, abs=1e-2)
    assert appearance.resemblance(cells(scene(red=(6, 4)), mask_of(1, 1))) < 0.1
    assert appearance.resemblance(cells(scene(red=(6, 4)), np.zeros(SIZE, bool))) == 0


def test_what_is_merely_unlike_the_background_does_not_resemble_it():
    appearance = AppearanceModel(capacity=4)
    appearance = appearance.learned(0, cells(scene(red=(2, 3)), mask_of(2, 3)))
    assert appearance.response(scene(blue=(6, 4)))[4, 6] > 0.3
    assert appearance.resemblance(cells(scene(blue=(6, 4)), mask_of(6, 4))) < 0.1


def test_frames_are_kept_spread_over_time_the_first_and_the_last_among_them():
    appearance = AppearanceModel(capacity=3)
    for index in (0, 4, 8, 40, 44):
        appearance = appearance.learned(index, cells(scene(red=(2, 3)), mask_of(2, 3)))
    assert [exemplar.index for exemplar in appearance.exemplars] == [0, 8, 44]


def test_a_frame_learned_again_is_kept_once_and_with_the_newer_mask():
    appearance = AppearanceModel(capacity=3)
    appearance = appearance.learned(0, cells(scene(red=(2, 3)), mask_of(2, 3)))
    appearance = appearance.learned(0, cells(scene(red=(2, 3)), mask_of(2, 3) | mask_of(3, 3)))
    assert len(appearance.exemplars) == 1
    assert appearance.area_range == (200, 200)


def test_an_object_that_looks_like_all_around_it_resembles_itself():
    appearance = AppearanceModel(capacity=3)
    for index in range(3):
        appearance = appearance.learned(index, cells(scene(), mask_of(2, 3)))
    assert appearance.resemblance(cells(scene(), mask_of(2, 3))) == pytest.approx(1, abs=0.05)


def test_an_object_too_small_for_any_cell_is_not_learned():
    appearance = AppearanceModel(capacity=3)
    mask = np.zeros(SIZE, bool)
    mask[35, 25] = True
    appearance = appearance.learned(0, cells(scene(red=(2, 3)), mask))
    assert (appearance.is_known, appearance.typical_response, appearance.area_range) == (False, 0.0, (0, 0))


def test_learning_leaves_what_was_known_before_as_it_was():
    before = AppearanceModel(capacity=2).learned(0, cells(scene(red=(2, 3)), mask_of(2, 3)))
    response = before.response(scene(red=(6, 4)))
    before.learned(4, cells(scene(blue=(2, 3)), mask_of(2, 3)))
    assert len(before.exemplars) == 1
    assert (before.response(scene(red=(6, 4))) == response).all()
