"""Metrics of masks and of their scores against ground truth.

Region similarity J and boundary accuracy F are those of the DAVIS benchmark: Perazzi et al., "A Benchmark Dataset and
Evaluation Methodology for Video Object Segmentation", CVPR 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

ON_OBJECT = 0.5  # J from which a mask counts as being on the object
OFF_OBJECT = 0.1  # J below which a mask counts as being on something else
IN_TIME = 10  # frames within which an object that is back has to be found again

_BOUNDARY_TOLERANCE = 0.008  # of the image diagonal: boundaries closer than this count as the same
_MIN_PAIRS = 3  # for a correlation, because two pairs always lie on a line


def region_similarity(truth: np.ndarray, mask: np.ndarray) -> float:
    """J, 0..1: the intersection over union (IoU) of two masks (H, W) bool; 1 where both are empty."""
    union = np.count_nonzero(truth | mask)
    return np.count_nonzero(truth & mask) / union if union else 1.0


def boundary_accuracy(truth: np.ndarray, mask: np.ndarray) -> float:
    """F, 0..1: the harmonic mean of boundary precision and recall of two masks (H, W) bool; 1 where both are empty."""
    radius = int(np.ceil(_BOUNDARY_TOLERANCE * np.linalg.norm(truth.shape)))
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    true_edge, edge = _boundary(truth), _boundary(mask)
    true_count, count = np.count_nonzero(true_edge), np.count_nonzero(edge)
    if true_count == 0 or count == 0:
        return float(true_count == count)
    precision = np.count_nonzero(edge & cv2.dilate(true_edge, disk)) / count
    recall = np.count_nonzero(true_edge & cv2.dilate(edge, disk)) / true_count
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def score_correlation(ratings: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's correlation, -1..1, between the scores of masks and their true IoUs.

    ratings  (score, true IoU) of every mask, 0..1 each

    None if it is undefined: with fewer than 3 masks, or if all scores, or all IoUs, are equal.
    """
    scores, overlaps = np.array(ratings, float).reshape(-1, 2).T
    if len(scores) < _MIN_PAIRS or np.ptp(scores) == 0 or np.ptp(overlaps) == 0:
        return None
    return float(np.corrcoef(scores, overlaps)[0, 1])


def _boundary(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8: 1 where a pixel differs from its right, lower or lower-right neighbour, 0 elsewhere.

    The last row and column are extended beyond the border, so that the image border is not a boundary.
    """
    padded = np.pad(mask.astype(np.uint8), ((0, 1), (0, 1)), mode="edge")
    here, right, below, diagonal = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    edges: np.ndarray = (here ^ right) | (here ^ below) | (here ^ diagonal)
    return edges
