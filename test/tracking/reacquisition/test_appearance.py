"""What is learned of an object's looks, on made-up places."""

import numpy as np
import pytest

from sampt_ros.segmenters.handcrafted_features import colors_and_gradients
from sampt_ros.tracking.reacquisition.appearance import Appearance

SIZE = (60, 80)  # of the images; 6 x 8 places
RED, BLUE, GREEN = np.eye(3, dtype=np.float32)


def scene(**at):
    """Places (6, 8, 3), green but for those named: color=(x, y)."""
    places = np.tile(GREEN, (6, 8, 1))
    for name, (x, y) in at.items():
        places[y, x] = {"red": RED, "blue": BLUE}[name]
    return places


def mask_of(x, y):
    """The mask of the place (x, y)."""
    mask = np.zeros(SIZE, bool)
    mask[10 * y : 10 * y + 10, 10 * x : 10 * x + 10] = True
    return mask


def test_it_answers_to_the_object_and_to_nothing_else():
    appearance = Appearance(most=4)
    appearance.learn(0, scene(red=(2, 3), blue=(5, 1)), mask_of(2, 3))
    response = appearance.response(scene(red=(6, 4), blue=(1, 1)))
    assert response.dtype == np.float32
    assert np.unravel_index(response.argmax(), response.shape) == (4, 6)
    assert response[4, 6] > 0.9
    assert abs(response[1, 1]) < 0.1  # seen in the background


def test_resemblance_is_that_of_what_the_mask_covers():
    appearance = Appearance(most=4)
    appearance.learn(0, scene(red=(2, 3)), mask_of(2, 3))
    assert appearance.resemblance(scene(red=(6, 4)), mask_of(6, 4)) == pytest.approx(1, abs=1e-2)
    assert appearance.resemblance(scene(red=(6, 4)), mask_of(1, 1)) < 0.1
    assert appearance.resemblance(scene(red=(6, 4)), np.zeros(SIZE, bool)) == 0


def test_what_is_merely_unlike_the_background_does_not_resemble_it():
    appearance = Appearance(most=4)
    appearance.learn(0, scene(red=(2, 3)), mask_of(2, 3))
    assert appearance.response(scene(blue=(6, 4)))[4, 6] > 0.3
    assert appearance.resemblance(scene(blue=(6, 4)), mask_of(6, 4)) < 0.1


def test_frames_are_kept_spread_over_time_the_first_and_the_last_among_them():
    appearance = Appearance(most=3)
    for index in (0, 4, 8, 40, 44):
        appearance.learn(index, scene(red=(2, 3)), mask_of(2, 3))
    assert [exemplar.index for exemplar in appearance._exemplars] == [0, 8, 44]


def test_a_frame_learned_again_is_kept_once_and_with_the_newer_mask():
    appearance = Appearance(most=3)
    appearance.learn(0, scene(red=(2, 3)), mask_of(2, 3))
    appearance.learn(0, scene(red=(2, 3)), mask_of(2, 3) | mask_of(3, 3))
    assert appearance.learned == 1
    assert appearance.areas == (200, 200)


def test_matrix_products_leave_no_threads_behind(monkeypatch):
    threadpoolctl = pytest.importorskip("threadpoolctl", reason="threadpoolctl is missing, which counts threads")
    seen = []

    def counted(*arguments):
        seen.extend(each["num_threads"] for each in threadpoolctl.threadpool_info() if each["user_api"] == "blas")
        return solve(*arguments)

    solve = np.linalg.solve
    monkeypatch.setattr(np.linalg, "solve", counted)
    before = threadpoolctl.threadpool_info()
    appearance = Appearance(most=3)
    appearance.learn(0, scene(red=(2, 3)), mask_of(2, 3))
    appearance.response(scene(red=(2, 3)))
    assert set(seen) == {1}
    assert threadpoolctl.threadpool_info() == before


def test_an_object_that_looks_like_all_around_it_resembles_itself():
    appearance = Appearance(most=3)
    for index in range(3):
        appearance.learn(index, scene(), mask_of(2, 3))
    assert appearance.resemblance(scene(), mask_of(2, 3)) == pytest.approx(1, abs=0.05)


def test_an_object_too_small_for_any_place_is_not_learned():
    appearance = Appearance(most=3)
    mask = np.zeros(SIZE, bool)
    mask[35, 25] = True
    appearance.learn(0, scene(red=(2, 3)), mask)
    assert (appearance.learned, appearance.level, appearance.areas) == (0, 0.0, (0, 0))


def test_colors_and_gradients_tell_colours_and_directions_apart():
    image = np.full((96, 128, 3), 128, np.uint8)
    image[:, 32:64] = (200, 30, 30)
    image[:, 64::4] = 255  # upright lines
    image[48::4, 96:] = 255
    places = colors_and_gradients(image)
    assert places.shape == (6, 8, 27)
    assert np.linalg.norm(places, axis=2) == pytest.approx(1, abs=1e-3)
    assert places[1, 0] @ places[4, 0] > 0.99
    assert places[1, 0] @ places[1, 2] < 0.8
    assert places[1, 5] @ places[5, 7] < 0.98
