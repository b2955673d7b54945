"""A feature map of an image without a network: colours and gradients."""

from __future__ import annotations

import cv2
import numpy as np

_LONGEST = 640  # An image is scaled down to this longest side, in pixels.
_CELL = 16  # Pixels a side of a cell in the scaled image.
_DIRECTIONS = 8  # Bins of the gradients' directions.
_FLAT = 4.0  # Constant magnitude in a bin of its own, so that cells without gradients are described too.
_BINS = 6  # Bins of each of the three colour channels.


def colors_and_gradients(image: np.ndarray) -> np.ndarray:
    """The feature map (h, w, 27) float32 of an image (H, W, 3) uint8 RGB: a unit vector for each cell.

    It holds soft histograms of L*a*b* colours and of gradient directions. The gradients are weighted by their
    magnitude, as in histograms of oriented gradients (Dalal and Triggs, CVPR 2005).
    """
    height, width = image.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    cells = [max(1, round(length * scale / _CELL)) for length in (width, height)]
    scaled = cv2.resize(image, [count * _CELL for count in cells], interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB).astype(np.float32)
    light = cv2.GaussianBlur(lab[..., 0], (0, 0), 1)
    across, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    angle = (np.arctan2(down, across) / np.pi % 1) * _DIRECTIONS
    gradients = _soft_bins(angle, _DIRECTIONS, circular=True) * np.hypot(across, down)[..., None]
    gradients = np.concatenate([gradients, np.full((*light.shape, 1), _FLAT, np.float32)], 2)
    colors = [_soft_bins(lab[..., channel] / 255 * (_BINS - 1), _BINS) for channel in range(3)]
    both = np.concatenate([_pooled(np.concatenate(colors, 2), cells), _pooled(gradients, cells)], 2)
    return both * np.float32(0.5**0.5)


def _soft_bins(values: np.ndarray, bins: int, circular: bool = False) -> np.ndarray:
    """(H, W, bins) float32: each value (H, W), in units of bins, shared between its two nearest bins."""
    distance = np.abs(values[..., None] - np.arange(bins, dtype=np.float32))
    if circular:
        distance = np.minimum(distance, bins - distance)
    shares: np.ndarray = np.maximum(0, 1 - distance)
    return shares


def _pooled(maps: np.ndarray, cells: list[int]) -> np.ndarray:
    """(h, w, C) unit vectors: square roots of means over cells (Arandjelovic and Zisserman, CVPR 2012)."""
    pooled: np.ndarray = maps.reshape(cells[1], _CELL, cells[0], _CELL, -1).mean((1, 3))
    pooled = np.sqrt(pooled / np.maximum(pooled.sum(2, keepdims=True), 1e-6))
    return pooled.astype(np.float32)
