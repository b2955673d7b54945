"""Parts of the image around an object: square windows for networks, and crops that are small enough to be fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from sampt_ros.data_types import LocalMask

MIN_SIDE = 32  # Pixels a side of the smallest window.
_MIN_CROP_SIDE = 16  # A crop is never scaled below this many pixels a side.
_MOST_INTERPOLATED = 8.0  # Where more pixels than this become one, along an axis, their exact mean is taken.
_SPOT_REACH = 5  # A spot is drawn if it is nearer to the map than so many standard deviations: less is left beyond.
_OUTSIDE = (124, 116, 104)  # Beyond the image a window shows the mean colour of photographs.


@dataclass(frozen=True)
class Window:
    """A square part of the image, which may reach beyond it.

    left, top  its corner, image pixels
    side       its length, image pixels
    size       the length that it is scaled to, pixels
    """

    left: int
    top: int
    side: int
    size: int

    @classmethod
    def centred(
        cls, centre: np.ndarray, side: float, image_size: tuple[int, int], size: int, limit: float = 1.0
    ) -> Window:
        """A window around `centre` (x, y), moved inside the image where it fits.

        image_size  (height, width), pixels
        limit       its side is at most so many times the image's longer side
        """
        length = max(MIN_SIDE, min(round(side), round(limit * max(image_size))))
        left, top = (_start(float(at), length, along) for at, along in zip(centre, image_size[::-1]))
        return cls(left, top, length, size)

    @classmethod
    def around(
        cls, box: np.ndarray, margin: float, image_size: tuple[int, int], size: int, limit: float = 1.0
    ) -> Window:
        """A window around a box (x_min, y_min, x_max, y_max), its side `margin` times the box's longer side.

        image_size, limit: as in `centred`
        """
        return cls.centred((box[:2] + box[2:]) / 2, margin * longest_side(box), image_size, size, limit)

    @property
    def visible(self) -> tuple[slice, slice]:
        """The rows and columns of an image that it shows."""
        top, left = max(self.top, 0), max(self.left, 0)
        return slice(top, self.top + self.side), slice(left, self.left + self.side)

    def cut(self, image: np.ndarray, size: int | None = None) -> np.ndarray:
        """This part of an image (H, W, 3) uint8 or of a map (H, W), scaled to (size, size[, 3]).

        A map of bool becomes one of float32. Beyond an image lies the mean colour of photographs, beyond a map 0.

        size: default, the window's own
        """
        return self.scaled(image[self.visible], size)

    def cut_mask(self, mask: LocalMask, size: int | None = None) -> np.ndarray:
        """This part of a mask, scaled to (size, size) float32; 0 beyond the image.

        size: default, the window's own
        """
        return self.scaled(mask.part(*self.visible), size)

    def scaled(self, part: np.ndarray, size: int | None = None, beyond: float = 0.0) -> np.ndarray:
        """The same from the `visible` part of an image or a map; `beyond`: what lies beyond a map."""
        if part.dtype == bool:
            part = part.astype(np.float32)
        above, before = max(-self.top, 0), max(-self.left, 0)
        missing = above, self.side - above - part.shape[0], before, self.side - before - part.shape[1]
        if any(missing):
            fill = _OUTSIDE if part.ndim == 3 else beyond
            part = cv2.copyMakeBorder(part, *missing, cv2.BORDER_CONSTANT, value=fill)
        size = size or self.size
        return resized(part, (size, size))

    def paste(self, values: np.ndarray, image_size: tuple[int, int], outside: float) -> np.ndarray:
        """A map (n, n) float32 of the window, as a map (H, W) float32 of the whole image; `outside` elsewhere."""
        full = np.full(image_size, outside, np.float32)
        full[self.visible] = self.enlarged(values, image_size)
        return full

    def enlarged(self, values: np.ndarray, image_size: tuple[int, int]) -> np.ndarray:
        """A map (n, n) float32 of the window at the resolution of an image (height, width): its `visible` part."""
        scaled: np.ndarray = cv2.resize(values, (self.side, self.side), interpolation=cv2.INTER_LINEAR)
        (top, bottom, _), (left, right, _) = (along.indices(length) for along, length in zip(self.visible, image_size))
        return scaled[top - self.top : bottom - self.top, left - self.left : right - self.left]

    def lies_within(self, image_size: tuple[int, int]) -> bool:
        """Whether it is part of an image (height, width) as a whole."""
        height, width = image_size
        return min(self.left, self.top) >= 0 and self.left + self.side <= width and self.top + self.side <= height

    def to_window(self, xy: np.ndarray, size: int | None = None) -> np.ndarray:
        """Image pixels (n, 2) as pixels of the window scaled to `size` (default: the window's own)."""
        return (xy - [self.left, self.top] + 0.5) * ((size or self.size) / self.side) - 0.5


@dataclass(frozen=True)
class Crop:
    """A rectangular part of the image.

    window  (left, top, right, bottom), image pixels, the last two excluded
    size    (width, height) that it is scaled to, pixels
    """

    window: tuple[int, int, int, int]
    size: tuple[int, int]

    @classmethod
    def around(cls, mask: LocalMask, margin: float, side: float, pad: int = 0) -> Crop:
        """The crop around a mask with at least one pixel.

        margin  on every side, as a share of the square root of the area of the mask's box
        side    the square root of the scaled crop's area, at most, pixels
        pad     added to the margin, pixels
        """
        height, width = mask.image_size
        x, y, box_width, box_height = mask.bounds
        grow = margin * max(np.sqrt(box_width * box_height), _MIN_CROP_SIDE) + pad
        left, top = max(0, int(x - grow)), max(0, int(y - grow))
        right, bottom = min(width, int(x + box_width + grow)), min(height, int(y + box_height + grow))
        scale = min(1.0, side / np.sqrt((right - left) * (bottom - top)))
        width, height = (max(_MIN_CROP_SIDE, round(length * scale)) for length in (right - left, bottom - top))
        return cls((left, top, right, bottom), (width, height))

    @property
    def rectangle(self) -> tuple[slice, slice]:
        """The rows and columns of an image that it consists of."""
        left, top, right, bottom = self.window
        return slice(top, bottom), slice(left, right)

    @property
    def scale(self) -> np.ndarray:
        """(2,) float64: what it is scaled by, along x and y."""
        left, top, right, bottom = self.window
        return np.array([self.size[0] / (right - left), self.size[1] / (bottom - top)])

    def cut(self, image: np.ndarray) -> np.ndarray:
        """This part of an image (H, W) or (H, W, channels), scaled."""
        return resized(image[self.rectangle], self.size)

    def cut_mask(self, mask: LocalMask) -> np.ndarray:
        """This part of a mask, scaled, as (h, w) float32 0..1."""
        left, top, right, bottom = self.window
        if mask.values.dtype == bool and self.scale.max() < 1:
            # The exact mean as below, of what lies in the mask's rectangle only.
            return cell_shares(mask, (left, top, right - left, bottom - top), self.size[::-1])
        return resized(mask.part(*self.rectangle).astype(np.float32, copy=False), self.size)

    def paste(self, values: np.ndarray, size: tuple[int, int], outside: float = -1.0) -> np.ndarray:
        """A map (h, w) float32 of the crop as one of the whole image (height, width); `outside` elsewhere."""
        full = np.full(size, outside, np.float32)
        full[self.rectangle] = self._enlarged(values)
        return full

    def placed(self, values: np.ndarray, size: tuple[int, int]) -> LocalMask:
        """A mask (h, w) float32 0..1 of the crop in an image (height, width)."""
        left, top, _, _ = self.window
        return LocalMask(self._enlarged(values), left, top, size)

    def _enlarged(self, values: np.ndarray) -> np.ndarray:
        left, top, right, bottom = self.window
        enlarged: np.ndarray = cv2.resize(values, (right - left, bottom - top))
        return enlarged

    def to_crop(self, xy: np.ndarray) -> np.ndarray:
        """Image pixels (n, 2) as pixels of the crop."""
        scaled: np.ndarray = (xy - self.window[:2] + 0.5) * self.scale - 0.5
        return scaled


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An image, uint8, or a map, float32, (H, W[, channels]) scaled to a size (width, height).

    What becomes smaller is averaged. Of an image a mean of a few whole pixels, interpolated, is nearly cv2.INTER_AREA's
    mean of the exact area, and takes a fifth of the time or less, unless very much becomes one pixel. A map has exact
    means: the networks heed the outline of a mask prompt more closely than anything in the image.
    """
    shrinks = image.shape[1] / size[0], image.shape[0] / size[1]
    scaled: np.ndarray
    if max(shrinks) > _MOST_INTERPOLATED or (image.dtype != np.uint8 and max(shrinks) > 1):
        scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return scaled
    # Interpolation itself takes the mean of two pixels where two become one.
    averaged = [max(1, 2 * math.ceil(shrink / 2) - 1) for shrink in shrinks]
    if max(averaged) > 1:
        image = cv2.blur(image, averaged, borderType=cv2.BORDER_REPLICATE)
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return scaled


def cell_shares(mask: LocalMask, window: tuple[float, float, float, float], shape: tuple[int, int]) -> np.ndarray:
    """(rows, columns) float32 0..1: the share of each cell of a grid that a mask covers.

    window  (left, top, width, height) that the grid lies over, image pixels; the mask is 0 beyond the image
    shape   (rows, columns) of the grid
    """
    left, top, width, height = window
    on_object = mask.on_object
    rows, down = _shares_of_pixels(shape[0], top, height, on_object.rectangle[0])
    columns, across = _shares_of_pixels(shape[1], left, width, on_object.rectangle[1])
    shares = np.zeros(shape, np.float32)
    shares[rows, columns] = down @ on_object.values.astype(np.float32) @ across.T
    return shares


def _shares_of_pixels(cells: int, start: float, length: float, pixels: slice) -> tuple[slice, np.ndarray]:
    """Those of the cells along one axis, which begin at `start`, that n pixels may reach: which they are, c of them,
    and (c, n) float32: how much of each cell each pixel fills.
    """
    reached = (np.array([pixels.start, pixels.stop]) - start) * (cells / length)
    first, last = max(0, math.floor(reached[0])), min(cells, math.ceil(reached[1]))
    last = max(first, last)
    # Multiplied first, so that edges between pixels are exact: a cell beside the mask has a share of 0, not of 1e-15.
    edges = start + length * np.arange(first, last + 1)[:, None] / cells
    pixel = np.arange(pixels.start, pixels.stop)
    overlap = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    shares: np.ndarray = np.maximum(overlap * (cells / length), 0).astype(np.float32)
    return slice(first, last), shares


def draw_points(xy: np.ndarray, size: int, sigma: float = 1.0) -> np.ndarray:
    """(size, size) float32 0..1: a Gaussian spot at each of the points (n, 2), which are pixels of this map."""
    spots = np.zeros((size, size), np.float32)
    reach = _SPOT_REACH * sigma  # Other objects' points are many, and mostly far away.
    xy = xy[((xy > -reach) & (xy < size - 1 + reach)).all(1)]
    if len(xy):
        squares = (xy.T[:, :, None].astype(np.float32) - np.arange(size, dtype=np.float32)) ** 2
        across, down = np.exp(squares / (-2 * sigma**2))  # each (n, size)
        np.maximum.reduce(down[:, :, None] * across[:, None, :], axis=0, out=spots)
    return spots


def draw_box(box: np.ndarray, size: int) -> np.ndarray:
    """(size, size) float32: 1 inside a box (x_min, y_min, x_max, y_max) in pixels of this map."""
    low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int) + 1
    inside = np.zeros((size, size), np.float32)
    inside[max(low[1], 0) : max(high[1], 0), max(low[0], 0) : max(high[0], 0)] = 1
    return inside


def box_of(mask: np.ndarray) -> np.ndarray:
    """(x_min, y_min, x_max, y_max) float64 of a mask (H, W) bool with at least one pixel; all four are inside it."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return np.array([x, y, x + width - 1, y + height - 1], float)


def longest_side(box: np.ndarray) -> float:
    """The longer side in pixels of a box (x_min, y_min, x_max, y_max) around pixels, both ends included."""
    return float(max(box[2] - box[0], box[3] - box[1]) + 1)


def _start(centre: float, side: int, length: int) -> int:
    """Where a window of length `side` begins on an axis of the image: inside it, or centred on it if it is longer."""
    if side >= length:
        return (length - side) // 2
    return max(0, min(round(centre - side / 2), length - side))
