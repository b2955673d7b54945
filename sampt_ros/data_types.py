"""The data that flows through the stream: frames, masks, points and results.

Pixel coordinates are (x, y) everywhere; the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property

import cv2
import numpy as np

from sampt_ros.errors import FrameError

NEGATIVE = 0
POSITIVE = 1


class ObjectState(IntEnum):
    """What the newest frame says about an object."""

    TRACKING = 1  # The mask is accepted.
    UNCERTAIN = 2  # Points are visible, but the mask was refused.
    LOST = 3  # No positive point is visible, or the mask has drifted onto something else.
    REACQUIRED = 4  # The mask is accepted; the object was lost until this frame.

    @property
    def has_mask(self) -> bool:
        """Whether the mask is accepted."""
        return self in (ObjectState.TRACKING, ObjectState.REACQUIRED)


@dataclass(frozen=True, eq=False)
class Frame:
    """One camera image.

    index  number of the frame in its stream, from 0; below zero for images that came late, and for pictures
    image  (H, W, 3) uint8 RGB
    """

    index: int
    image: np.ndarray

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]

    @cached_property
    def gray(self) -> np.ndarray:
        """(H, W) uint8 luminance."""
        gray: np.ndarray = cv2.cvtColor(self.image, cv2.COLOR_RGB2GRAY)
        return gray

    @cached_property
    def lab(self) -> np.ndarray:
        """(H, W, 3) uint8 CIE L*a*b* as OpenCV scales it: L * 255 / 100, a + 128, b + 128."""
        lab: np.ndarray = cv2.cvtColor(self.image, cv2.COLOR_RGB2LAB)
        return lab


@dataclass(frozen=True, eq=False)
class LocalMask:
    """A mask (H, W) of an image that is 0 outside a rectangle: whatever is done with it touches the rectangle only.

    It counts as the object's where it is above 0.5. It must not be modified.

    values      (h, w) bool, or float32 0..1, in the rectangle
    left, top   the rectangle's corner, image pixels
    image_size  (height, width), pixels
    """

    values: np.ndarray
    left: int
    top: int
    image_size: tuple[int, int]

    @classmethod
    def of(cls, mask: np.ndarray) -> LocalMask:
        """A mask (H, W) bool or float32 0..1 of the whole image, which is not copied."""
        height, width = mask.shape
        return cls(mask, 0, 0, (height, width))

    @classmethod
    def empty(cls, image_size: tuple[int, int]) -> LocalMask:
        """A mask of bool without a pixel."""
        return cls(np.zeros((0, 0), bool), 0, 0, image_size)

    @property
    def rectangle(self) -> tuple[slice, slice]:
        """The rows and columns of the image that the rectangle consists of."""
        height, width = self.values.shape
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    @property
    def on_object(self) -> LocalMask:
        """The same as a mask of bool."""
        return self if self.values.dtype == bool else self._binary

    @cached_property
    def _binary(self) -> LocalMask:
        return replace(self, values=self.values > 0.5).trimmed()

    @cached_property
    def area(self) -> int:
        """Pixels on the object."""
        return int(np.count_nonzero(self.on_object.values))

    @cached_property
    def bounds(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of the pixels on the object, image pixels; zeros without any."""
        return self.on_object._measured_bounds()

    @property
    def box(self) -> np.ndarray:
        """(x_min, y_min, x_max, y_max) float64 of the pixels on the object, of which there must be one."""
        x, y, width, height = self.bounds
        return np.array([x, y, x + width - 1, y + height - 1], float)

    def read_only(self) -> LocalMask:
        """The same mask, not copied, of which `values` cannot be modified."""
        values = self.values.view()
        values.flags.writeable = False
        mask = copy(self)  # with what is already known of it, such as its area
        object.__setattr__(mask, "values", values)
        return mask

    def trimmed(self) -> LocalMask:
        """The same as a mask of bool in the smallest rectangle."""
        if self.values.dtype != bool:
            return self._binary
        x, y, width, height = self._measured_bounds()
        rows, columns = slice(y, y + height), slice(x, x + width)
        return LocalMask(self.part(rows, columns).copy(), x, y, self.image_size)  # A view would keep all of `values`.

    def _measured_bounds(self) -> tuple[int, int, int, int]:
        """The bounds of a mask of bool.

        `trimmed` may not use `bounds`: before Python 3.12 a cached property is locked for all masks while it is
        computed, and two threads, of which each computes what the other has locked, would wait forever.
        """
        x, y, width, height = cv2.boundingRect(self.values.view(np.uint8))
        return (self.left + int(x), self.top + int(y), int(width), int(height)) if width else (0, 0, 0, 0)

    def part(self, rows: slice, columns: slice) -> np.ndarray:
        """(h, w) like `values`: what is in some rows and columns of the image; those beyond the image are left out."""
        (top, bottom, _), (left, right, _) = (
            along.indices(length) for along, length in zip((rows, columns), self.image_size)
        )
        # The common rows and columns, from the first one on; beyond the last one the slices are cut off.
        first_row, first_column = max(top, self.top), max(left, self.left)
        common = self.values[
            first_row - self.top : max(bottom - self.top, 0), first_column - self.left : max(right - self.left, 0)
        ]
        if common.shape == (bottom - top, right - left):
            return common
        part = np.zeros((bottom - top, right - left), self.values.dtype)
        height, width = common.shape
        part[first_row - top :, first_column - left :][:height, :width] = common
        return part

    @property
    def within_bounds(self) -> np.ndarray:
        """(height, width) bool: what is within its `bounds`."""
        x, y, width, height = self.bounds
        return self.on_object.part(slice(y, y + height), slice(x, x + width))

    def soft(self) -> np.ndarray:
        """(H, W) float32 0..1: the mask of the whole image."""
        return self.whole().astype(np.float32, copy=False)

    def whole(self) -> np.ndarray:
        """(H, W) like `values`: the mask of the whole image; not a copy if it is the rectangle."""
        if self.values.shape == self.image_size:
            return self.values
        whole = np.zeros(self.image_size, self.values.dtype)
        whole[self.rectangle] = self.values
        return whole


def check_image(image: np.ndarray) -> np.ndarray:
    """Return `image` if it is (H, W, 3) uint8 with at least one pixel; raise FrameError otherwise."""
    if not isinstance(image, np.ndarray):
        raise FrameError(f"expected an RGB image as a numpy array, got {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise FrameError(f"expected an RGB image (H, W, 3) uint8, got {image.shape} {image.dtype}")
    if image.shape[0] == 0 or image.shape[1] == 0:
        raise FrameError(f"expected an image with at least one pixel, got {image.shape[1]}x{image.shape[0]}")
    return image


@dataclass(frozen=True, eq=False)
class Points:
    """N points of one object.

    id          (N,) uint32, never given to another point before a reset
    xy          (N, 2) float32, pixels
    label       (N,) uint8, POSITIVE (on the object) or NEGATIVE (off it)
    visible     (N,) bool
    confidence  (N,) float32, 0..1
    """

    id: np.ndarray
    xy: np.ndarray
    label: np.ndarray
    visible: np.ndarray
    confidence: np.ndarray

    @classmethod
    def start(cls, ids: np.ndarray, xy: np.ndarray, label: np.ndarray) -> Points:
        """Points as they are on the frame they were queried in: visible, certain."""
        n = len(ids)
        return cls(
            np.asarray(ids, np.uint32).reshape(n),
            np.asarray(xy, np.float32).reshape(n, 2),
            np.asarray(label, np.uint8).reshape(n),
            np.ones(n, bool),
            np.ones(n, np.float32),
        )

    @classmethod
    def none(cls) -> Points:
        """No points at all."""
        return cls.start(np.zeros(0), np.zeros((0, 2)), np.zeros(0))

    def __len__(self) -> int:
        return len(self.id)

    def __add__(self, other: Points) -> Points:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Points(*(np.concatenate(pair) for pair in pairs))

    def copy(self) -> Points:
        """The same points in arrays of their own."""
        return Points(*(getattr(self, name).copy() for name in self.__dataclass_fields__))

    def at(self, rows: np.ndarray) -> Points:
        """Some of the points: rows (n,) int, or (N,) bool."""
        return Points(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def moved(self, xy: np.ndarray, visible: np.ndarray, confidence: np.ndarray) -> Points:
        """The same points on another frame."""
        return replace(self, xy=xy, visible=visible, confidence=confidence)

    def visible_xy(self, label: int) -> np.ndarray:
        """(n, 2) float32: the visible points of one label."""
        xy: np.ndarray = self.xy[self.visible & (self.label == label)]
        return xy


@dataclass(frozen=True, eq=False)
class ObjectResult:
    """One object in one frame.

    Whatever is done to its arrays, tracking goes on as if it had not been: `points` and `mask` are copies, and the
    values of `local_mask` are read-only.

    score       0..1, the predicted IoU of the mask and of those before it, less where they are in several parts; where
                the mask was refused, its own predicted IoU, less where it was doubted for its looks
    local_mask  of bool, empty unless the state is TRACKING or REACQUIRED
    points      its points, on this frame
    """

    id: int
    state: ObjectState
    score: float
    local_mask: LocalMask
    points: Points

    @cached_property
    def mask(self) -> np.ndarray:
        """(H, W) bool: its mask in the whole image, in an array of its own, which nothing else depends on."""
        whole = self.local_mask.whole()
        return whole.copy() if whole is self.local_mask.values else whole

    @property
    def area(self) -> int:
        """Pixels in the mask."""
        return self.local_mask.area

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(x, y, width, height) of the mask in pixels; zeros where it is empty."""
        return self.local_mask.bounds

    def paint(self, labels: np.ndarray, over: Collection[int] | None = None) -> None:
        """Write the id into a label image (H, W) uint16 where the mask is; `over`: only over these ids."""
        painted, shown = labels[self.local_mask.rectangle], self.local_mask.values
        painted[shown if over is None else shown & np.isin(painted, list(over))] = self.id


@dataclass(frozen=True, eq=False)
class FrameResult:
    """The result of one frame.

    index    of the frame
    size     (height, width) of the image, pixels
    objects  one ObjectResult for each object, in the order they were added
    stages   milliseconds spent in each stage
    wholes   by the id of an object that is a part of others: their ids
    """

    index: int
    size: tuple[int, int]
    objects: tuple[ObjectResult, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)
    wholes: Mapping[int, Collection[int]] = field(default_factory=dict)

    @cached_property
    def labels(self) -> np.ndarray:
        """(H, W) uint16: object id per pixel, 0 for background.

        Where masks overlap, the higher score wins, except that a part of an object is shown on it.
        """
        labels = np.zeros(self.size, np.uint16)
        for result in sorted(self.objects, key=lambda result: result.score):
            result.paint(labels)
        parts = [result for result in self.objects if result.id in self.wholes]
        for part in sorted(parts, key=lambda result: -result.area):
            part.paint(labels, over=self.wholes[part.id])
        return labels

    @cached_property
    def mask(self) -> np.ndarray:
        """(H, W) uint8: 255 where any object is, 0 elsewhere."""
        return (self.labels > 0).view(np.uint8) * np.uint8(255)
