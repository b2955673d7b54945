"""Smooth random deformations, and what a camera does to a picture."""

from __future__ import annotations

import cv2
import numpy as np


def warp_maps(size: tuple[int, int], linear: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """(h, w, 2) float32 for cv2.remap: where each pixel p of a picture (h, w) comes from, `linear` @ p + `offset`."""
    x, y = np.meshgrid(np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32))
    rows = np.asarray(linear, np.float32), np.asarray(offset, np.float32)
    return np.stack([a[0] * x + a[1] * y + b for a, b in zip(*rows)], axis=2)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: int, channels: int = 2) -> np.ndarray:
    """(h, w, channels) float32 of standard deviation about 1, changing over 1 / `cells` of the size."""
    coarse = rng.standard_normal((cells + 1, cells + 1, channels), np.float32)
    noise = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return noise.reshape(*size, channels)


def random_affine(
    rng: np.random.Generator, centre: np.ndarray, reach: float, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """(2, 2) and (2,): a random map of the plane onto itself about `centre`, moving it by some `strength` * `reach`."""
    angle = rng.normal(0, 0.35 * strength)
    scale = np.exp(rng.normal(0, 0.3 * strength, 2))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) * scale
    return turn, centre - turn @ centre + rng.normal(0, 0.3 * strength * reach, 2)


def another_view(
    image: np.ndarray, labels: np.ndarray, rng: np.random.Generator, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """A photograph as if the camera or the things had moved: image (H, W, 3) uint8 and labels (H, W) uint8."""
    size = labels.shape
    linear, offset = random_affine(rng, np.array(size[::-1]) / 2, min(size), strength)
    maps = warp_maps(size, linear, offset)
    maps += smooth_noise(rng, size, 3) * 0.04 * strength * min(size)
    moved = cv2.remap(image, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return moved, cv2.remap(labels, maps, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT)


def through_a_camera(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A picture (h, w, 3) uint8 RGB with the exposure, blur, noise and compression of some camera."""
    if rng.random() < 0.6:
        table = np.linspace(0, 1, 256)[:, None] ** np.exp(rng.normal(0, 0.25))
        table = table * rng.normal(1, 0.06, 3) * rng.uniform(0.75, 1.1) + rng.normal(0, 0.03)
        table = np.clip(table * 255, 0, 255).astype(np.uint8)
        image = cv2.LUT(image, table[None])
    if rng.random() < 0.08:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    kind = rng.random()
    if kind < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 1.6))
    elif kind < 0.35:
        image = cv2.filter2D(image, -1, _motion(rng))
    if rng.random() < 0.3:
        noise = rng.standard_normal(image.shape, np.float32) * rng.uniform(2, 10)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = int(rng.integers(35, 95))
        image = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
    return image


def _motion(rng: np.random.Generator) -> np.ndarray:
    """A line to blur along."""
    length = int(rng.integers(3, 10))
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D(((length - 1) / 2,) * 2, float(rng.uniform(0, 180)), 1)
    line = cv2.warpAffine(line, turn, (length, length))
    return line / line.sum()
