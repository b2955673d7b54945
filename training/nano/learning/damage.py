"""Masks as a tracker brings them: shifted, stretched, leaking, with holes, half lost."""

from __future__ import annotations

import cv2
import numpy as np

from training.nano.pictures.warping import random_affine, smooth_noise, warp_maps


def damaged(mask: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 0..1: a mask (H, W) bool carried more or less badly; it may leak into `others` (H, W) bool."""
    if rng.random() < 0.08:
        return mask.astype(np.float32)
    strength = float(rng.choice([0.15, 0.35, 0.7], p=[0.5, 0.35, 0.15]))
    carried = _moved(mask, rng, strength)
    if rng.random() < 0.25:
        carried = _grown(carried, rng, strength)
    if rng.random() < 0.3:  # a part is lost
        carried = carried & ~_blob(mask, mask, rng, rng.uniform(0.1, 0.45 + 0.3 * strength))
    if rng.random() < 0.3:  # a part of something else came along
        near = others if others.any() and rng.random() < 0.5 else np.ones_like(mask)
        carried = carried | (near & _blob(mask, _near(mask), rng, rng.uniform(0.1, 0.45)))
    return _soft(carried, rng)


def lightly_damaged(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 0..1: a mask (H, W) bool with an inexact contour."""
    if not mask.any():
        return mask.astype(np.float32)
    return _soft(_moved(mask, rng, 0.1), rng)


def misplaced(mask: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W) float32 0..1: a mask that a tracker lost: on something else, on what is near, or only a remnant of it.

    mask    (H, W) bool, not empty
    others  (H, W) bool: one other object, or nothing
    """
    kind = rng.random()
    if others.any() and kind < 0.5:
        return _soft(_moved(others, rng, 0.15), rng)
    if kind < 0.75:  # a remnant, and perhaps the place that the rest of it moved away from
        remnant = _blob(mask, mask, rng, rng.uniform(0.1, 0.3))
        return _soft(remnant & mask if rng.random() < 0.5 else remnant, rng)
    shift = rng.normal(0, 1, 2)
    shift *= rng.uniform(0.6, 1.6) * _size(mask) / max(float(np.linalg.norm(shift)), 1e-6)
    moved = cv2.warpAffine(mask.astype(np.uint8), np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), mask.shape[::-1])
    return _soft(moved > 0, rng)


def _size(mask: np.ndarray) -> float:
    return max(float(np.count_nonzero(mask)), 1.0) ** 0.5


def _moved(mask: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Displaced, turned and bent, all in proportion to the mask's size."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    centre = np.array([x + width / 2, y + height / 2])
    linear, offset = random_affine(rng, centre, _size(mask), 0.5 * strength)
    maps = warp_maps(mask.shape, linear, offset)
    cells = int(np.clip(2 * max(mask.shape) / max(width, height), 3, 24))
    maps += smooth_noise(rng, mask.shape, cells) * 0.12 * strength * _size(mask)
    return cv2.remap(mask.astype(np.uint8), maps, None, cv2.INTER_NEAREST) > 0


def _grown(mask: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """Larger or smaller all around."""
    radius = max(1, round(0.12 * strength * _size(mask) * rng.random()))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    change = cv2.dilate if rng.random() < 0.5 else cv2.erode
    changed = change(mask.astype(np.uint8), kernel) > 0
    return changed if changed.any() else mask


def _near(mask: np.ndarray) -> np.ndarray:
    radius = max(1, round(0.25 * _size(mask)))
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * radius + 1,) * 2, np.uint8)) > 0


def _blob(mask: np.ndarray, places: np.ndarray, rng: np.random.Generator, size: float) -> np.ndarray:
    """(H, W) bool: an ellipse of about `size` times the mask's size, centred somewhere in `places`."""
    y, x = rng.choice(np.argwhere(places), 1)[0]
    axes = np.maximum(_size(mask) * size * rng.uniform(0.5, 1.5, 2), 2)
    blob = np.zeros(mask.shape, np.uint8)
    cv2.ellipse(blob, (int(x), int(y)), tuple(axes.astype(int).tolist()), float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return blob > 0


def _soft(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sigma = float(rng.uniform(0.3, 0.02 * _size(mask) + 0.6))
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
