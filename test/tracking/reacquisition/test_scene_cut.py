"""Cuts between frames."""

import cv2
import numpy as np
import pytest

from sampt_ros.data_types import Frame
from sampt_ros.tracking.reacquisition.scene_cut import SceneCutDetector, thumbnail


def cuts(detector, *levels):
    """Whether each of some plain frames of these grey levels follows a cut."""
    found = []
    for index, level in enumerate(levels):
        detector.observe(Frame(index, np.full((32, 48, 3), level, np.uint8)))
        found.append(detector.is_cut)
    return found


def test_a_cut_is_a_sudden_change_of_the_whole_image():
    assert cuts(SceneCutDetector(), 100, 105, 200, 203) == [False, False, True, False]


def test_in_a_restless_scene_a_cut_must_be_larger():
    restless = [100, 118] * 40  # The mean difference comes near 18 grey levels.
    assert cuts(SceneCutDetector(), *restless, 148)[-1] is False
    assert cuts(SceneCutDetector(), *restless, 200)[-1] is True


def test_asking_does_not_take_anything_in():
    detector = SceneCutDetector()
    cuts(detector, 100, 200)
    assert [detector.is_cut, detector.is_cut] == [True, True]


def test_after_a_reset_there_is_nothing_to_compare_with():
    detector = SceneCutDetector()
    cuts(detector, 100, 200)
    detector.reset()
    assert not detector.is_cut
    assert cuts(detector, 20) == [False]


@pytest.mark.parametrize("size", [(480, 640), (481, 641), (63, 64), (16, 900), (5, 7), (1080, 1920)])
def test_frames_are_compared_by_the_mean_grey_levels_of_their_parts(size):
    rng = np.random.default_rng(0)
    levels = cv2.resize(rng.integers(0, 255, (8, 8), np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    exact = cv2.resize(levels.astype(np.float32), (16, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(thumbnail(levels) - exact).max() < 6
