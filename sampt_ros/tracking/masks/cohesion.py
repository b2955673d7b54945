"""How far a mask is in one piece."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.data_types import LocalMask

_MOST_CELLS = 128  # along each side of a mask's box, in which its parts are told apart


def cohesion(mask: LocalMask) -> float:
    """0..1: the share of a mask that is in its largest connected part; 1 if it is empty.

    Masks that fall apart are mostly wrong ones: a network that predicts its IoU from means over the mask does not see
    it. Parts count as connected where they nearly touch, by up to 1/128 of the mask's box.
    """
    if not mask.area:
        return 1.0
    inside = mask.within_bounds
    height, width = (min(length, _MOST_CELLS) for length in inside.shape)
    coverage = cv2.resize(inside.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    count, parts = cv2.connectedComponents((coverage > 0).view(np.uint8))
    if count == 2:  # one part, and the rest
        return 1.0
    areas = np.bincount(parts.ravel(), coverage.ravel(), count)[1:]
    return float(areas.max() / areas.sum())
