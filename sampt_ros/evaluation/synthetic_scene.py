"""A synthetic scene in which every object moves and stays in view."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from sampt_ros.errors import SamPtError

Size = tuple[int, int]  # (width, height) in pixels, in the customary order: 640x480

_MIN_CELL = 16  # pixels: side of the square that each object of a scene needs


class Scene:
    """Textured disks, each circling in its own cell of a grid, on a textured background.

    The background drifts as if the camera moved. Scenes with the same arguments are identical.
    """

    def __init__(self, size: Size, objects: int, seed: int = 0) -> None:
        """size: (width, height) of the images, pixels; objects: at least 1.

        Raises SamPtError if the objects do not fit into the images.
        """
        self._width, self._height = size
        rng = np.random.default_rng(seed)
        self._margin = max(size) // 16
        self._background = _texture(
            (self._height + 2 * self._margin, self._width + 2 * self._margin), (110, 115, 120), rng
        )
        columns = int(np.ceil(np.sqrt(objects * self._width / self._height)))
        rows = -(-objects // columns)
        cell = min(self._width / columns, self._height / rows)
        if cell < _MIN_CELL:
            raise SamPtError(f"expected room for {objects} objects of {_MIN_CELL} pixels; got {size[0]}x{size[1]}")
        self._radius, self._swing = max(2, int(0.28 * cell)), 0.15 * cell
        cells = itertools.islice(itertools.product(range(rows), range(columns)), objects)
        self._centers = [((x + 0.5) * self._width / columns, (y + 0.5) * self._height / rows) for y, x in cells]
        side = 2 * self._radius + 1
        self._patches = [_texture((side, side), rng.uniform(40, 215, 3), rng) for _ in self._centers]
        self._phases = rng.uniform(0, 2 * np.pi, objects)
        y, x = np.ogrid[-self._radius : self._radius + 1, -self._radius : self._radius + 1]
        self._disk = x**2 + y**2 <= self._radius**2

    def image(self, index: int) -> np.ndarray:
        """Frame `index`: (H, W, 3) uint8 RGB."""
        drift = self._margin * (1 + np.array([np.sin(0.05 * index), np.cos(0.05 * index)]))
        left, top = drift.astype(int)
        image = self._background[top : top + self._height, left : left + self._width].copy()
        for window, patch in zip(self._windows(index), self._patches):
            image[window][self._disk] = patch[self._disk]
        return image

    def masks(self, index: int) -> list[np.ndarray]:
        """The true mask (H, W) bool of every object in frame `index`."""
        masks = []
        for window in self._windows(index):
            mask = np.zeros((self._height, self._width), bool)
            mask[window] = self._disk
            masks.append(mask)
        return masks

    def centers(self, index: int) -> np.ndarray:
        """The centre of every object in frame `index`: (n, 2) float64, xy in whole pixels."""
        angles = self._phases + 0.06 * index
        swing = self._swing * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return np.floor(np.array(self._centers) + swing)

    def _windows(self, index: int) -> Iterator[tuple[slice, slice]]:
        """The rows and columns that each object's disk touches in frame `index`."""
        side = 2 * self._radius + 1
        for left, top in self.centers(index).astype(int) - self._radius:
            yield slice(top, top + side), slice(left, left + side)


def _texture(shape: tuple[int, int], color: Sequence[float] | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A texture (*shape, 3) uint8 RGB of random blotches around a colour, which any tracker can follow."""
    blotches = cv2.GaussianBlur(rng.standard_normal((*shape, 3)).astype(np.float32), (0, 0), 3)
    texture: np.ndarray = np.clip(np.asarray(color) + 35 * blotches / blotches.std(), 0, 255).astype(np.uint8)
    return texture
