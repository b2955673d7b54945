"""Conversion of masks to run lengths and polygons."""

from __future__ import annotations

import cv2
import numpy as np

_MIN_POINTS = 3  # of a polygon


def run_lengths(mask: np.ndarray) -> np.ndarray:
    """Run lengths (n,) int of a mask (H, W) bool: pixels off, then on, then off ..., by columns, as in COCO."""
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    lengths = np.diff(changes, prepend=0, append=len(pixels))
    return np.insert(lengths, 0, 0) if pixels[0] else lengths


def outline(mask: np.ndarray) -> np.ndarray:
    """A single polygon (n, 2) int, xy of border pixels, of a non-empty mask (H, W) bool; n is at least 3.

    Separate parts and holes are connected by bridges, there and back along the same line, so that filling the polygon
    by the even-odd rule gives the mask plus only the pixels of these lines.
    """
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    rings = sorted((ring.reshape(-1, 2) for ring in found), key=len, reverse=True)
    polygon = rings[0]
    for ring in rings[1:]:
        polygon = _bridged(polygon, ring)
    return np.pad(polygon, ((0, max(0, _MIN_POINTS - len(polygon))), (0, 0)), "edge")


def _bridged(polygon: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """A polygon (n, 2) connected with a ring (m, 2) by a bridge where they are nearest."""
    distances = ((polygon[:, None] - ring[None]) ** 2).sum(axis=2)
    at, to = np.unravel_index(distances.argmin(), distances.shape)
    return np.concatenate([polygon[: at + 1], ring[to:], ring[: to + 1], polygon[at:]])
