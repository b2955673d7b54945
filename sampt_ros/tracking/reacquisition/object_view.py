"""What a mask and its surroundings look like in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from sampt_ros.segmenters.base import WindowFeatures

_FULL = 0.5  # Cells are the object's that it fills by this share of what it fills of the fullest one ...
_OUTSIDE = 0.9  # ... and its surroundings' from this share on.
_MIN_CONTRAST = 0.02  # Where object and surroundings differ less than this, looks say nothing.


@dataclass(frozen=True, eq=False)
class ObjectView:
    """A mask and its surroundings in one frame.

    features  (n, C) unit vectors of the cells of a window around it
    inside    (n,) float32 0..1: the mask's share of each cell
    outside   (n,) float32 0..1: the share of what surely is something else
    """

    features: np.ndarray
    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def of(cls, around: WindowFeatures, mask: np.ndarray) -> ObjectView:
        """Of a mask (H, W) bool with at least one pixel in the window."""
        cells = len(around.feature_map)
        inside = around.window.cut(mask, cells)
        outside = (cv2.dilate(inside, np.ones((3, 3), np.uint8)) == 0).astype(np.float32)
        if not around.window.lies_within(mask.shape):  # What is beyond the image is no surroundings.
            outside *= around.window.cut(np.ones(mask.shape, bool), cells)
        return cls(around.feature_map.reshape(cells * cells, -1), inside.ravel(), outside.ravel())

    @cached_property
    def mean_inside(self) -> np.ndarray:
        """(C,) unit vector: the mean features of the mask."""
        return _mean_direction(self.features, self.inside)

    @cached_property
    def mean_outside(self) -> np.ndarray:
        """(C,) unit vector: those of its surroundings; zeros where there are none."""
        return _mean_direction(self.features, self.outside)

    @cached_property
    def object_cells(self) -> np.ndarray:
        """(k, C): the features of the cells that are the object's; the fullest one always is among them."""
        return self.features[self.inside >= _FULL * float(self.inside.max())]

    @cached_property
    def surrounding_cells(self) -> np.ndarray:
        """(m, C): the features of the cells that are its surroundings'."""
        return self.features[self.outside > _OUTSIDE]

    def resemblance(self, other: ObjectView) -> float:
        """How much the mean features of another mask are like those of this one: 1, and 0 for its surroundings."""
        background = float(self.mean_inside @ self.mean_outside)
        contrast = 1 - background
        if contrast < _MIN_CONTRAST:
            return 1.0
        return (float(self.mean_inside @ other.mean_inside) - background) / contrast


def _mean_direction(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(C,) the mean of features (n, C), weighted (n,), as a unit vector."""
    mean: np.ndarray = weights @ features
    return mean / max(float(np.linalg.norm(mean)), 1e-6)
