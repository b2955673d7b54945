"""The colours that GrabCut remembers of an object."""

import numpy as np
import pytest

from sampt_ros.segmenters.grabcut.color_memory import ColorMemory

RED, BLUE, GREEN = (136, 208, 195), (82, 207, 20), (150, 85, 200)  # L, a and b as OpenCV scales them.


def picture(left, right):
    """A CIE Lab image (20, 40, 3) of two colours, and the mask of its left half."""
    lab = np.zeros((20, 40, 3), np.uint8)
    lab[:, :20], lab[:, 20:] = left, right
    mask = np.zeros((20, 40), bool)
    mask[:, :20] = True
    return lab, mask


def test_the_objects_colours_are_probable_and_its_surroundings_are_not():
    lab, mask = picture(RED, BLUE)
    probability = ColorMemory.start(lab, mask).probability(lab, first_weight=0.5)
    assert probability[mask].min() > 0.99
    assert probability[~mask].max() < 0.01


def test_a_colour_never_seen_is_no_evidence():
    memory = ColorMemory.start(*picture(RED, BLUE))
    assert memory.probability(picture(GREEN, GREEN)[0], first_weight=0.5) == pytest.approx(0.5)


def test_new_colours_are_learned_and_the_first_are_not_forgotten():
    memory = ColorMemory.start(*picture(RED, BLUE))
    for _ in range(50):
        memory = memory.learned(*picture(GREEN, BLUE), rate=0.5)
    lab, mask = picture(RED, GREEN)
    probability = memory.probability(lab, first_weight=0.5)
    assert probability[mask].min() > 0.99
    assert probability[~mask].min() > 0.99


def test_similarity_is_to_the_first_frames_object():
    lab, mask = picture(RED, BLUE)
    memory = ColorMemory.start(lab, mask)
    assert memory.similarity(lab, mask) == pytest.approx(1, abs=1e-3)
    assert memory.similarity(lab, ~mask) == pytest.approx(0, abs=1e-3)
