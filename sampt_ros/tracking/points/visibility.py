"""Filters for the visibility of tracked points, in addition to the tracker's own estimate."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.data_types import Frame

_OFFSETS = np.stack(np.meshgrid([-1, 0, 1], [-1, 0, 1]), axis=-1).reshape(-1, 2).astype(np.float32)


def away_from_border(xy: np.ndarray, size: tuple[int, int], share: float) -> np.ndarray:
    """(n,) bool: which points (n, 2) are farther from the border than `share` of the width and height.

    size: (height, width) of the image, pixels
    """
    limit = np.array([size[1] - 1, size[0] - 1], np.float32)
    margin = share * limit
    is_away: np.ndarray = np.all((xy >= margin) & (xy <= limit - margin), axis=1)
    return is_away


class PatchFilter:
    """Compares each point's 3x3 patch with its query patch, in CIE Lab (SAM-PT's patch-similarity filter)."""

    def __init__(self) -> None:
        self._query_patches: dict[int, np.ndarray] = {}

    def add(self, ids: np.ndarray, xy: np.ndarray, frame: Frame) -> None:
        """Remember the query patches of points (n, 2): those on the frame that they were queried in."""
        self._query_patches.update(zip(ids.tolist(), _patches(frame, xy)))

    def remove(self, ids: np.ndarray) -> None:
        """Forget these points."""
        for point_id in ids.tolist():
            self._query_patches.pop(point_id, None)

    def difference(self, ids: np.ndarray, xy: np.ndarray, frame: Frame) -> np.ndarray:
        """(n,) float32: mean CIE76 colour difference of each point's patch to its query patch."""
        query_patches = [self._query_patches[point_id] for point_id in ids.tolist()]
        queried = np.array(query_patches, np.float32).reshape(-1, 9, 3)
        difference: np.ndarray = np.linalg.norm(_patches(frame, xy) - queried, axis=2).mean(axis=1)
        return difference


def _patches(frame: Frame, xy: np.ndarray) -> np.ndarray:
    """(n, 9, 3) float32: L, a and b of the 3x3 pixels around points (n, 2), bilinear, edge-clamped."""
    if len(xy) == 0:
        return np.zeros((0, 9, 3), np.float32)
    patch_xy = (xy[:, None] + _OFFSETS).astype(np.float32)
    lab: np.ndarray = cv2.remap(frame.lab, patch_xy, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return lab.astype(np.float32) * np.array([100 / 255, 1, 1], np.float32)
