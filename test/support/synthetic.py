"""Images whose motion is known."""

from __future__ import annotations

import cv2
import numpy as np

from sampt_ros.data_types import Frame

HEIGHT, WIDTH = 120, 160


def texture(height: int = HEIGHT, width: int = WIDTH, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: coloured noise, fine and coarse as in photographs, which every tracker can follow."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for sigma in (1, 2, 4, 8):
        noise = cv2.GaussianBlur(rng.standard_normal(total.shape).astype(np.float32), None, sigma)
        total += noise / noise.std()
    return np.clip(128 + 20 * total, 0, 255).astype(np.uint8)


def moving_texture(count: int, step: tuple[float, float]) -> list[Frame]:
    """`count` frames in which everything moves by `step` (x, y) pixels a frame; the borders show new texture."""
    margin = 60
    canvas = texture(HEIGHT + 2 * margin, WIDTH + 2 * margin)
    frames = []
    for index in range(count):
        x, y = margin - index * step[0], margin - index * step[1]
        shift = np.array([[1, 0, x], [0, 1, y]], np.float32)
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        frames.append(Frame(index, cv2.warpAffine(canvas, shift, (WIDTH, HEIGHT), flags=flags)))
    return frames


def disk(center: tuple[float, float], radius: float, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """(height, width) bool: the pixels within `radius` of `center` (x, y)."""
    y, x = np.mgrid[:height, :width]
    return (x - center[0]) ** 2 + (y - center[1]) ** 2 <= radius**2


_GROUND = 100 + texture(96, 128) // 6
_GRAIN = texture(96, 128, seed=1) // 6


def two_disks(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frame `index` (96, 128, 3) uint8 of a red and a blue disk in slow circles on grey, and their true masks."""
    x, y = 8 * np.cos(0.1 * index), 8 * np.sin(0.1 * index)
    red, blue = disk((36 + x, 48 + y), 16, 96, 128), disk((92 - x, 48 - y), 14, 96, 128)
    image = _GROUND.copy()
    image[red] = np.roll(_GRAIN, (round(y), round(x)), (0, 1))[red] + np.array([180, 0, 0], np.uint8)
    image[blue] = np.roll(_GRAIN, (round(-y), round(-x)), (0, 1))[blue] + np.array([0, 0, 180], np.uint8)
    return image, red, blue
