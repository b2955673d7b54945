"""Layers, of which animated photographs are made: pictures with opacity that move, bend and fold."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from training.nano.pictures.warping import smooth_noise, warp_maps

_CELLS = 4  # Cells per side of the random displacement fields by which a layer bends.
_SHARPEST = 0.5  # A layer drawn at a smaller scale is scaled down first, because remap would skip pixels.


def line_kernel(step: np.ndarray) -> np.ndarray | None:
    """A float32 kernel of motion blur along `step` (x, y) pixels, or None if that is too short to be visible."""
    length = float(np.hypot(*step))
    if length < 1.5:
        return None
    side = 2 * int(np.ceil(length / 2)) + 1
    kernel = np.zeros((side, side), np.float32)
    middle, half = np.array([side // 2] * 2), np.asarray(step) / 2
    ends = [tuple(int(v) for v in np.rint((middle + sign * half) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1.0, 1, cv2.LINE_AA, 4)
    return kernel / kernel.sum()


def affine(shift: np.ndarray, angle: float, stretch: np.ndarray, about: np.ndarray) -> np.ndarray:
    """(3, 3) matrix that stretches and rotates about a point (x, y), then shifts."""
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * np.asarray(stretch)
    matrix = np.eye(3)
    matrix[:2, :2] = turned
    matrix[:2, 2] = about + shift - turned @ about
    return matrix


@dataclass(eq=False)
class Layer:
    """An object cut out of a picture.

    pixels   (h, w, 4) float32: RGB 0..255 times opacity, and opacity 0..1
    place    (3, 3) matrix from its pixels to those of the scene, in the first frame
    name     its label
    fields   (h, w, 2) float32 each: two displacement fields by which it bends, of standard deviation about 1
    pivot    the point (x, y) about which a part turns when the layer folds
    across   the direction (x, y) from the pivot to that part
    """

    pixels: np.ndarray
    place: np.ndarray
    name: int
    fields: tuple[np.ndarray, np.ndarray]
    pivot: np.ndarray
    across: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray, place: np.ndarray, name: int, rng: np.random.Generator) -> Layer:
        """A layer with random bends and a random fold."""
        size = pixels.shape[:2]
        fields = smooth_noise(rng, size, _CELLS), smooth_noise(rng, size, _CELLS)
        angle = rng.uniform(0, 2 * np.pi)
        pivot = rng.uniform(0.3, 0.7, 2) * size[::-1]
        return cls(pixels, place, name, fields, pivot, np.array([np.cos(angle), np.sin(angle)]))

    @property
    def size(self) -> float:
        """Square root of the area of its box, in its own pixels."""
        return float(np.sqrt(self.pixels.shape[0] * self.pixels.shape[1]))

    def centre(self) -> np.ndarray:
        """(2,) the centre (x, y) of its box in the first frame, in pixels of the scene."""
        x, y, _ = self.place @ [self.pixels.shape[1] / 2, self.pixels.shape[0] / 2, 1]
        return np.array([x, y])

    def drawn(
        self, to_view: np.ndarray, bend: np.ndarray, fold: float, blur: np.ndarray, view: tuple[int, int]
    ) -> tuple[np.ndarray, tuple[int, int]]:
        """Draw it for a view of (height, width) pixels: (h, w, 4) float32, and the (x, y) of its corner in the view.

        to_view  (3, 3) matrix from its pixels to those of the view
        bend     (2,) amplitudes of its fields, as shares of its size
        fold     angle by which the part is turned, radians
        blur     (2,) pixels (x, y) that it moves while the shutter is open
        """
        height, width = self.pixels.shape[:2]
        corners = to_view[:2] @ np.array([[0, width, width, 0], [0, 0, height, height], [1, 1, 1, 1]])
        scale = float(np.sqrt(abs(np.linalg.det(to_view[:2, :2]))))
        spare = np.abs(blur) / 2 + 2 + scale * self.size * (0.1 + abs(fold) * 0.35)
        low = np.clip(np.floor(corners.min(1) - spare), 0, view[::-1]).astype(int)
        high = np.clip(np.ceil(corners.max(1) + spare), 0, view[::-1]).astype(int)
        if (high - low < 4).any() or scale < 0.02:
            return np.zeros((0, 0, 4), np.float32), (0, 0)
        back = np.linalg.inv(to_view)
        maps = warp_maps((high - low)[::-1], back[:2, :2], back[:2, :2] @ low + back[:2, 2])
        maps = self._bent(maps, bend, fold)
        pixels = self.pixels
        if scale < _SHARPEST:
            factor = max(2 * scale, 0.05)
            pixels = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            maps = (maps + 0.5) * (np.array(pixels.shape[1::-1], np.float32) / (width, height)) - 0.5
        drawn = cv2.remap(pixels, maps.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        kernel = line_kernel(blur)
        if kernel is not None:
            drawn = cv2.filter2D(drawn, -1, kernel, borderType=cv2.BORDER_CONSTANT)
        return drawn, (int(low[0]), int(low[1]))

    def _bent(self, maps: np.ndarray, bend: np.ndarray, fold: float) -> np.ndarray:
        """Maps (h, w, 2) into its pixels, changed so that it is drawn bent and folded."""
        if abs(fold) > 0.01:
            from_pivot = maps - self.pivot.astype(np.float32)
            along = from_pivot @ self.across.astype(np.float32)
            share = np.clip(along / (0.15 * self.size) + 0.5, 0, 1)
            angle = -fold * share * share * (3 - 2 * share)
            cos, sin = np.cos(angle), np.sin(angle)
            x, y = from_pivot[..., 0], from_pivot[..., 1]
            maps = np.stack([cos * x - sin * y, sin * x + cos * y], 2) + self.pivot.astype(np.float32)
        if np.abs(bend).max() > 0.002:
            field = (bend[0] * self.fields[0] + bend[1] * self.fields[1]) * self.size
            maps = maps + cv2.remap(field.astype(np.float32), maps.astype(np.float32), None, cv2.INTER_LINEAR)
        return maps


def blend(region: np.ndarray, drawn: np.ndarray) -> None:
    """Draw a layer (h, w, 4) over a part of an image (h, w, 3) float32, in place."""
    region *= 1 - drawn[..., 3:]
    region += drawn[..., :3]


def cast_shadow(region: np.ndarray, opacity: np.ndarray, strength: float, shift: np.ndarray) -> None:
    """Darken a part of an image (h, w, 3) float32 by the shifted shadow of an opacity (h, w), in place."""
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = cv2.warpAffine(opacity, matrix, opacity.shape[1::-1])
    region *= 1 - strength * cv2.GaussianBlur(moved, (0, 0), 3)[..., None]
