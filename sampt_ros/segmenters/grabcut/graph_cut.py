"""A minimum cut with evidence of our own, computed by OpenCV's GrabCut."""

from __future__ import annotations

import cv2
import numpy as np

_EXCLUDED = -8.0  # evidence that no neighbour can outvote
_LEVELS = 64  # of the evidence, as a picture's channel
_EDGES_ONLY = 2000.0  # variance of the colour channels: they make the cut's edges, not its evidence


def graph_cut(evidence: np.ndarray, lab: np.ndarray, weight: float) -> np.ndarray:
    """The mask (h, w) bool that agrees best with the evidence and runs along the picture's edges.

    evidence  (h, w) float32, log odds of being the object, -8 or less for certainly not
    lab       (h, w, 3) uint8 CIE Lab
    weight    of the evidence against the edges

    cv2.grabCut takes no evidence as such. So the evidence becomes a channel of the picture, and both colour models one
    fixed Gaussian each that differ in that channel's mean only: the log ratio of the two is then linear in it.
    """
    inside = evidence > 0
    if inside.all() or not inside.any():
        return inside
    level = np.clip(2 * evidence + _LEVELS / 2 + 0.5, 0, _LEVELS).astype(np.uint8)
    picture = np.dstack([level, lab[..., 0], lab[..., 1]])
    labels = np.where(inside, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[evidence <= _EXCLUDED] = cv2.GC_BGD
    off, on = _gaussian(0, weight), _gaussian(_LEVELS, weight)
    cv2.grabCut(picture, labels, None, off, on, 1, cv2.GC_EVAL_FREEZE_MODEL)
    return (labels & 1) > 0


def _gaussian(mean: float, weight: float) -> np.ndarray:
    """A model (1, 65) float64 as cv2.grabCut lays it out: 5 weights, 5 means of 3, 5 covariances of 3 x 3."""
    model = np.zeros((1, 65))
    model[0, 0] = 1
    model[0, 5:20] = np.tile((mean, 128.0, 128.0), 5)
    model[0, 20:] = np.tile(np.diag([2 * _LEVELS / weight, _EDGES_ONLY, _EDGES_ONLY]).ravel(), 5)
    return model
