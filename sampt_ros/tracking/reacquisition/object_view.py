"""The features of a mask and of its surroundings in one frame."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from sampt_ros.data_types import LocalMask
from sampt_ros.geometry.crops import cell_shares
from sampt_ros.segmenters.base import WindowFeatures

_FULL = 0.5  # Cells count as the object's if the mask fills them by this share of its fullest cell or more.
_OUTSIDE = 0.9  # Cells count as surroundings if more than this share of them is certainly something else.
_MIN_CONTRAST = 0.02  # If object and surroundings differ by less than this, resemblance cannot be measured.


@dataclass(frozen=True, eq=False)
class ObjectView:
    """The features of a mask and of its surroundings in one frame.

    features  (n, C) float32 unit vectors of the cells of a window around the mask
    inside    (n,) float32 0..1: the mask's share of each cell
    outside   (n,) float32 0..1: the share of each cell that is certainly something else
    """

    features: np.ndarray
    inside: np.ndarray
    outside: np.ndarray

    @classmethod
    def of(cls, around: WindowFeatures, mask: LocalMask) -> ObjectView:
        """From the features of a window, and a mask with at least one pixel in it."""
        cells = len(around.feature_map)
        left, top, side = around.window.left, around.window.top, around.window.side
        inside = cell_shares(mask, (left, top, side, side), (cells, cells))
        outside = (cv2.dilate(inside, np.ones((3, 3), np.uint8)) == 0).astype(np.float32)
        # What lies beyond the image does not belong to the surroundings.
        if not around.window.lies_within(mask.image_size):
            outside *= around.window.cut(np.ones(mask.image_size, bool), cells)
        return cls(around.feature_map.reshape(cells * cells, -1), inside.ravel(), outside.ravel())

    @cached_property
    def mean_inside(self) -> np.ndarray:
        """(C,) unit vector: the mean features of the mask."""
        return _mean_direction(self.features, self.inside)

    @cached_property
    def mean_outside(self) -> np.ndarray:
        """(C,) unit vector: the mean features of the surroundings; zeros if there are none."""
        return _mean_direction(self.features, self.outside)

    @cached_property
    def object_cells(self) -> np.ndarray:
        """(k, C): the features of the object's cells; the fullest cell is always among them."""
        return self.features[self.inside >= _FULL * float(self.inside.max())]

    @cached_property
    def surrounding_cells(self) -> np.ndarray:
        """(m, C): the features of the cells of its surroundings."""
        return self.features[self.outside > _OUTSIDE]

    def resemblance(self, other: ObjectView) -> float:
        """How similar the mean features of another mask are to this one's: 1 if equal, 0 if like the surroundings."""
        background = float(self.mean_inside @ self.mean_outside)
        contrast = 1 - background
        if contrast < _MIN_CONTRAST:
            return 1.0
        return (float(self.mean_inside @ other.mean_inside) - background) / contrast


def _mean_direction(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(C,) unit vector: the mean of features (n, C) with weights (n,)."""
    mean: np.ndarray = weights @ features
    return mean / max(float(np.linalg.norm(mean)), 1e-6)
