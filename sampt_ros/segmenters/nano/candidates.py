"""Masks that were found in several windows, and how good each seems."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sampt_ros.geometry.crops import Window

_VIOLATED_CLICK_FACTOR = 0.5  # A candidate's rating is multiplied by this for each click that it violates.
_CUT_OFF_FACTOR = 0.7  # A candidate's rating is multiplied by this if the window, not the image, cuts it off.
# An object, or a box, fills the image if it is nearly as long both ways, and covers most of it.
_FILLING_EXTENT, _FILLING_SHARE = 0.85, 0.6


@dataclass(frozen=True, eq=False)
class Candidate:
    """A mask found in a window, logits (n, n) float32, and how good it seems."""

    window: Window
    logits: np.ndarray
    rating: float

    @classmethod
    def rated(
        cls,
        window: Window,
        logits: np.ndarray,
        score: float,
        positive: np.ndarray,
        negative: np.ndarray,
        size: tuple[int, int],
    ) -> Candidate:
        """Rated by its predicted IoU, its clicks, and its window.

        score     predicted IoU
        positive  (n, 2) pixel xy: clicks on the object; negative (m, 2): clicks off it
        size      (height, width) of the image
        """
        agreement = _agreement(logits, window, positive, negative)
        return cls(window, logits, score * _completeness(logits, window, size) * agreement)


def area_of(box: np.ndarray) -> float:
    """Pixels of a box (x_min, y_min, x_max, y_max)."""
    return float(np.prod(box[2:] - box[:2] + 1))


def fills_image(box: np.ndarray, area: float, size: tuple[int, int]) -> bool:
    """Whether an object of so many pixels in this box (x_min, y_min, x_max, y_max) fills an image (height, width)."""
    is_as_long = bool((box[2:] - box[:2] + 1 >= _FILLING_EXTENT * np.array(size[::-1])).all())
    return is_as_long and area > _FILLING_SHARE * size[0] * size[1]


def _completeness(logits: np.ndarray, window: Window, size: tuple[int, int]) -> float:
    """Below 1 if a mask, logits (n, n), is cut off by its window where the image goes on."""
    right, bottom = window.left + window.side, window.top + window.side
    is_cut_off = (
        (window.left > 0 and (logits[:, 0] > 0).any())
        or (window.top > 0 and (logits[0] > 0).any())
        or (right < size[1] and (logits[:, -1] > 0).any())
        or (bottom < size[0] and (logits[-1] > 0).any())
    )
    return _CUT_OFF_FACTOR if is_cut_off else 1.0


def _agreement(logits: np.ndarray, window: Window, positive: np.ndarray, negative: np.ndarray) -> float:
    """Below 1 if a mask, logits (n, n), leaves out positive points or covers negative ones."""
    last = len(logits) - 1
    agreement = 1.0
    for xy, is_positive in ((positive, True), (negative, False)):
        x, y = np.clip(np.rint(window.to_window(xy, last + 1)).astype(int), 0, last).T
        agreement *= _VIOLATED_CLICK_FACTOR ** np.count_nonzero((logits[y, x] > 0) != is_positive)
    return agreement
