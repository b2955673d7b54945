"""A window of the image around an object, scaled down to a size that is quick to work on."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_SMALLEST = 16  # pixels a side that a crop is never scaled below


@dataclass(frozen=True)
class Crop:
    """A window (left, top, right, bottom) of the image in pixels, the last two excluded, scaled to (width, height)."""

    window: tuple[int, int, int, int]
    size: tuple[int, int]

    @classmethod
    def around(cls, mask: np.ndarray, margin: float, side: float, pad: int = 0) -> Crop:
        """Around a mask (H, W) bool with at least one pixel.

        margin  on every side, as a share of the square root of the box's area, plus `pad` pixels
        side    what the square root of the scaled crop's area is at most
        """
        height, width = mask.shape
        x, y, box_width, box_height = cv2.boundingRect(mask.view(np.uint8))
        grow = margin * max(np.sqrt(box_width * box_height), _SMALLEST) + pad
        left, top = max(0, int(x - grow)), max(0, int(y - grow))
        right, bottom = min(width, int(x + box_width + grow)), min(height, int(y + box_height + grow))
        scale = min(1.0, side / np.sqrt((right - left) * (bottom - top)))
        size = tuple(max(_SMALLEST, round(length * scale)) for length in (right - left, bottom - top))
        return cls((left, top, right, bottom), size)  # type: ignore[arg-type]

    def cut(self, image: np.ndarray) -> np.ndarray:
        """This part of an image (H, W) or (H, W, channels), scaled."""
        left, top, right, bottom = self.window
        return cv2.resize(image[top:bottom, left:right], self.size, interpolation=cv2.INTER_AREA)

    def cut_mask(self, mask: np.ndarray) -> np.ndarray:
        """This part of a mask (H, W) bool, scaled."""
        return self.cut(mask.astype(np.float32)) > 0.5

    def paste(self, values: np.ndarray, size: tuple[int, int], outside: float = -1.0) -> np.ndarray:
        """(h, w) float32 back into an image of (height, width); `outside` elsewhere."""
        left, top, right, bottom = self.window
        full = np.full(size, outside, np.float32)
        full[top:bottom, left:right] = cv2.resize(values, (right - left, bottom - top))
        return full

    def to_crop(self, xy: np.ndarray) -> np.ndarray:
        """Image pixels (n, 2) as pixels of the crop."""
        left, top, right, bottom = self.window
        scale = np.array([self.size[0] / (right - left), self.size[1] / (bottom - top)])
        return (xy - [left, top] + 0.5) * scale - 0.5
