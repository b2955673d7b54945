"""A minimum cut with given evidence, computed by OpenCV's GrabCut."""

from __future__ import annotations

import cv2
import numpy as np

_EXCLUDED = -8.0  # A pixel with no more evidence than this is background, whatever its neighbours are.
_LEVELS = 64  # The evidence is quantised to so many levels, as a channel of an image.
_COLOR_VARIANCE = 2000.0  # So large that the colour channels only make the cut's edges, and are no evidence.


def graph_cut(evidence: np.ndarray, lab: np.ndarray, weight: float) -> np.ndarray:
    """The mask (h, w) bool that agrees best with the evidence and follows the image's edges.

    evidence  (h, w) float32, log odds of being the object; -8 or less: surely not
    lab       (h, w, 3) uint8 CIE Lab
    weight    of the evidence against the edges

    cv2.grabCut takes no evidence as such. So the evidence becomes a channel of the image, and each of the two colour
    models a fixed Gaussian. These differ in that channel's mean only, so their log ratio is linear in the evidence.
    """
    inside = evidence > 0
    if inside.all() or not inside.any():
        return inside
    quantised = np.clip(2 * evidence + _LEVELS / 2 + 0.5, 0, _LEVELS).astype(np.uint8)
    image = np.dstack([quantised, lab[..., 0], lab[..., 1]])
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[evidence <= _EXCLUDED] = cv2.GC_BGD
    off, on = _gaussian(0, weight), _gaussian(_LEVELS, weight)
    cv2.grabCut(image, labels, None, off, on, 1, cv2.GC_EVAL_FREEZE_MODEL)
    is_object: np.ndarray = (labels & 1) > 0
    return is_object


def _gaussian(mean: float, weight: float) -> np.ndarray:
    """A colour model (1, 65) float64 as cv2.grabCut lays it out: 5 weights, 5 means of 3, 5 covariances of 3 x 3."""
    model = np.zeros((1, 65))
    model[0, 0] = 1
    model[0, 5:20] = np.tile((mean, 128.0, 128.0), 5)
    model[0, 20:] = np.tile(np.diag([2 * _LEVELS / weight, _COLOR_VARIANCE, _COLOR_VARIANCE]).ravel(), 5)
    return model
