"""Region similarity J and boundary accuracy F, as the DAVIS benchmark defines them.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016.
"""

from __future__ import annotations

import cv2
import numpy as np

_TOLERANCE = 0.008  # of the image diagonal, within which two boundaries count as one


def region_similarity(truth: np.ndarray, mask: np.ndarray) -> float:
    """J, the intersection over union of two masks (H, W) bool; 1 where both are empty."""
    union = np.count_nonzero(truth | mask)
    return np.count_nonzero(truth & mask) / union if union else 1.0


def boundary_accuracy(truth: np.ndarray, mask: np.ndarray) -> float:
    """F, the harmonic mean of boundary precision and recall of two masks (H, W) bool."""
    radius = int(np.ceil(_TOLERANCE * np.linalg.norm(truth.shape)))
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    true_edge, edge = _boundary(truth), _boundary(mask)
    n_true, n_found = np.count_nonzero(true_edge), np.count_nonzero(edge)
    if n_true == 0 or n_found == 0:
        return float(n_true == n_found)
    precision = np.count_nonzero(edge & cv2.dilate(true_edge, disk)) / n_found
    recall = np.count_nonzero(true_edge & cv2.dilate(edge, disk)) / n_true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8: 1 where a pixel differs from its right, lower or lower-right neighbour, borders repeated."""
    padded = np.pad(mask.astype(np.uint8), ((0, 1), (0, 1)), mode="edge")
    here, right, below, diagonal = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return (here ^ right) | (here ^ below) | (here ^ diagonal)
