"""How good masks seem that were found in several windows."""

from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.geometry.crops import Window
from sampt_ros.segmenters.nano.candidates import Candidate, area_of, fills_image

SIZE = (60, 80)  # height, width of the image
NO_POINTS = np.zeros((0, 2))


def rating(window: Window, left: int, positive: np.ndarray = NO_POINTS, negative: np.ndarray = NO_POINTS) -> float:
    """Of a mask that covers the middle rows of a window, from column `left` to column 11 of 16."""
    logits = np.full((16, 16), -1.0, np.float32)
    logits[4:12, left:12] = 1
    return Candidate.rated(window, logits, 0.8, positive, negative, SIZE).rating


@pytest.mark.parametrize(
    ("window", "left", "expected"),
    [
        (Window(20, 10, 32, 16), 4, 0.8),  # It is whole.
        (Window(20, 10, 32, 16), 0, 0.56),  # The window cuts it off.
        (Window(0, 10, 32, 16), 0, 0.8),  # The image cuts it off.
    ],
)
def test_a_mask_that_its_window_cuts_off_is_rated_lower(window, left, expected):
    assert rating(window, left) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("positive", "negative", "expected"),
    [
        (np.array([[36, 26]]), NO_POINTS, 0.8),
        (np.array([[21, 11]]), NO_POINTS, 0.4),  # A click on the object is beside the mask.
        (np.array([[36, 26]]), np.array([[37, 27]]), 0.4),  # A click beside the object is on the mask.
        (np.array([[21, 11]]), np.array([[37, 27]]), 0.2),
    ],
)
def test_a_mask_is_rated_half_for_each_violated_click(positive, negative, expected):
    assert rating(Window(20, 10, 32, 16), 4, positive, negative) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("box", "share", "fills"),
    [
        ((2, 2, 77, 57), 1.0, True),
        ((2, 2, 77, 57), 0.5, False),  # It covers too little of its box.
        ((2, 2, 77, 40), 1.0, False),  # It is not as high as the image.
        ((20, 2, 77, 57), 1.0, False),  # It is not as wide.
    ],
)
def test_what_fills_the_image_is_nearly_as_long_both_ways_and_covers_most_of_it(box, share, fills):
    box = np.array(box, float)
    assert fills_image(box, share * area_of(box), SIZE) is fills
