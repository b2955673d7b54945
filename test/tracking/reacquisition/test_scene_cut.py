"""Cuts between frames."""

import numpy as np

from sampt_ros.data_types import Frame
from sampt_ros.tracking.reacquisition.scene_cut import SceneCutDetector


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
