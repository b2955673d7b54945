"""Maps and noise for random deformations of pictures."""

from __future__ import annotations

import cv2
import numpy as np


def warp_maps(size: tuple[int, int], linear: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(h, w, 2) float32 maps for cv2.remap: pixel p (x, y) of the result comes from `linear` @ p + `offset`.

    size: (h, w) of the result; linear: (2, 2); offset: (2,)
    """
    x, y = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
    rows = np.asarray(linear, np.float32), np.asarray(offset, np.float32)
    return np.stack([a[0] * x + a[1] * y + b for a, b in zip(*rows)], axis=2)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: int, channels: int = 2) -> np.ndarray:
    """(h, w, channels) float32 smooth noise, of standard deviation about 1, with `cells` random cells per side."""
    coarse = rng.standard_normal((cells + 1, cells + 1, channels), np.float32)
    noise = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return noise.reshape(*size, channels)


def random_affine(
    rng: np.random.Generator, centre: np.ndarray, reach: float, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A random affine map about `centre`, as a matrix (2, 2) and an offset (2,).

    reach     scale of the shift, pixels
    strength  of the rotation, scaling and shift; 0 for the identity
    """
    angle = rng.normal(0, 0.35 * strength)
    scale = np.exp(rng.normal(0, 0.3 * strength, 2))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * scale
    return turn, centre - turn @ centre + rng.normal(0, 0.3 * strength * reach, 2)
