"""Separates a photograph into its objects, as layers, and the background behind them, which is filled in."""

from __future__ import annotations

import cv2
import numpy as np

from training.nano.pictures.stills import Still

_LEAST_SIDE = 24  # Shortest side of an object that is cut out, pixels.
_MOST_LAYERS = 3  # Largest number of a photograph's own objects that move.
_SPREAD = 5  # Pixels around an object's outline that still show some of the object.


def movable(labels: np.ndarray, rng: np.random.Generator) -> list[int]:
    """Random ids of a label image (H, W) uint8 whose objects lie completely inside the picture and are large enough."""
    found = []
    for name in range(1, int(labels.max()) + 1):
        x, y, width, height = cv2.boundingRect((labels == name).view(np.uint8))
        inside = x > 1 and y > 1 and x + width < labels.shape[1] - 1 and y + height < labels.shape[0] - 1
        if inside and min(width, height) >= _LEAST_SIDE and max(width, height) < 0.85 * max(labels.shape):
            found.append(name)
    return sorted(int(name) for name in rng.permutation(found)[:_MOST_LAYERS])


def cut_out(image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut out an object by its mask (H, W) bool.

    Returns its pixels, (h, w, 4) float32 with RGB times opacity, and the position (x, y) of their corner in the image.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    top, left = max(0, y - 3), max(0, x - 3)
    box = np.s_[top : y + height + 3, left : x + width + 3]
    # The outline is moved a little inwards, so that no rim of the old background moves with the object.
    opacity = np.clip(cv2.GaussianBlur(mask[box].astype(np.float32), (0, 0), 1.0) * 1.9 - 0.6, 0, 1)[..., None]
    return np.concatenate([image[box] * opacity, opacity], 2).astype(np.float32), np.array([left, top], float)


def filled(image: np.ndarray, hole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fill the hole (H, W) bool in an image (H, W, 3) uint8 plausibly, from what is around or beside it."""
    if not hole.any():
        return image
    hole = cv2.dilate(hole.view(np.uint8), np.ones((2 * _SPREAD + 1,) * 2, np.uint8)) > 0
    around = _from_around(image, hole)
    if rng.random() < 0.35:
        return around
    # A copy of what lies beside the hole has texture. Where it would show the object itself, the smooth fill stays.
    width = cv2.boundingRect(hole.view(np.uint8))[2]
    step = int(rng.choice([-1, 1])) * (width + _SPREAD)
    beside, is_hole = np.roll(image, step, 1), np.roll(hole, step, 1)
    share = cv2.GaussianBlur((hole & ~is_hole).astype(np.float32), (0, 0), 3)[..., None] * hole[..., None]
    return np.rint(around + share * (beside - around.astype(np.float32))).astype(np.uint8)


def _from_around(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The image with the hole filled smoothly, by means of its surroundings from coarse to fine."""
    levels = [(image.astype(np.float32), (~hole).astype(np.float32)[..., None])]
    levels[0] = (levels[0][0] * levels[0][1], levels[0][1])
    while min(levels[-1][1].shape[:2]) > 4:
        color, weight = levels[-1]
        size = (max(1, (weight.shape[1] + 1) // 2), max(1, (weight.shape[0] + 1) // 2))
        smaller = cv2.resize(color, size, interpolation=cv2.INTER_AREA)
        levels.append((smaller, cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]))
    known = levels[-1][0].sum((0, 1)) / max(float(levels[-1][1].sum()), 1e-3)
    result = np.broadcast_to(known, levels[-1][0].shape).astype(np.float32)
    for color, weight in reversed(levels):
        result = cv2.resize(result, weight.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        result = color + (1 - np.minimum(weight, 1)) * result
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)


def lit(pixels: np.ndarray, rng: np.random.Generator, strength: float) -> np.ndarray:
    """A layer (h, w, 4) float32 under different light; strength: of the change, 1 for objects of other pictures."""
    opacity = pixels[..., 3:]
    color = pixels[..., :3] / np.maximum(opacity, 1e-3)
    color = (color - 128) * np.exp(rng.normal(-0.1, 0.2 * strength)) + 128 + rng.normal(0, 16 * strength)
    color = color * rng.normal(1, 0.06 * strength, 3)
    height, width = opacity.shape[:2]
    across, down = rng.normal(0, 0.18 * strength, 2)  # The light comes from one side.
    gain = 1 + across * np.linspace(-1, 1, width)[None, :, None] + down * np.linspace(-1, 1, height)[:, None, None]
    return np.concatenate([np.clip(color * gain, 0, 255) * opacity, opacity], 2).astype(np.float32)


class Props:
    """Objects from other pictures: cut-outs of photographs and of collections, and rectangles of photographs."""

    def __init__(self, stills: list[Still], collections: list[list[np.ndarray]]) -> None:
        self._stills, self._collections = stills, [group for group in collections if group]

    def thing(self, rng: np.random.Generator) -> np.ndarray:
        """A random object, mostly of a photograph, (h, w, 4) float32 with RGB times opacity."""
        if self._collections and rng.random() < 0.25:
            group = self._collections[int(rng.integers(len(self._collections)))]
            pixels = group[int(rng.integers(len(group)))].astype(np.float32)
            pixels[..., 3] /= 255
            pixels[..., :3] *= pixels[..., 3:]
            return pixels
        for _ in range(30):
            still = self._stills[int(rng.integers(len(self._stills)))]
            image = still.image()
            labels = still.labels(*image.shape[:2])
            names = movable(labels, rng)
            if names:
                return cut_out(image, labels == names[int(rng.integers(len(names)))])[0]
        return self.piece(rng)

    def piece(self, rng: np.random.Generator) -> np.ndarray:
        """A random rectangle of a photograph, (h, w, 4) float32, often long and narrow like a post or a board."""
        image = self._stills[int(rng.integers(len(self._stills)))].image().astype(np.float32)
        height, width = image.shape[:2]
        share = np.sort(rng.uniform(0.08, 0.5, 2)) * [1, 1.6]
        size = np.maximum(rng.permutation(np.minimum(share, 0.9)) * [height, width], 12).astype(int)
        top, left = rng.integers(height - size[0] + 1), rng.integers(width - size[1] + 1)
        piece = image[top : top + size[0], left : left + size[1]]
        return np.concatenate([piece, np.ones((*piece.shape[:2], 1), np.float32)], 2)
