"""What a segmenter is: it encodes a frame once, then turns the prompts of all objects into masks in one batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

import cv2
import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask
from sampt_ros.geometry.crops import Window
from sampt_ros.segmenters.handcrafted_features import colors_and_gradients

_OBJECT_MARGIN = 1.6  # An object is described in a window so many times as long as it ...
_OBJECT_SIDE = 128  # ... scaled to so many pixels a side.
PADDING = -1  # Label of a point that is there only to make all objects' lists of points equally long.

Array: TypeAlias = Any  # A segmenter's own kind of array: np.ndarray, or torch.Tensor on its device.
Embedding = TypeVar("Embedding")  # What a segmenter makes of a frame.
Memory = TypeVar("Memory")  # What a segmenter remembers of an object.
Target = TypeVar("Target")  # What a one-shot method keeps of a picture.


@dataclass(frozen=True, eq=False)
class Prompts(Generic[Memory]):
    """Prompts of B objects for one decoder call.

    xy        (B, N, 2) float32, pixels; objects with fewer than N points are padded
    labels    (B, N) int8: POSITIVE, NEGATIVE or PADDING
    boxes     (B, 4) float32, (x_min, y_min, x_max, y_max) pixels, NaN where an object has none; None: no boxes.
              An np.ndarray, or what `Decoded.boxes` gave
    logits    (B, h, w) mask prompts as `Decoded.logits` gives them, NaN where an object has none, or what
              `Segmenter.mask_prompt` gives; None: no mask prompts
    memories  what the segmenter remembers of each object, as `Segmenter.remember` gave it, or None; empty: nothing
              is remembered of any
    detail    share of the usual pixels, over 0 and at most 1, that objects with a mask prompt are looked at with; a
              segmenter that does not adapt it looks at all
    wholes    for each object, the rows of those of which it is a part; empty: of none. Two objects that are each a part
              of the other are on the same thing
    """

    xy: np.ndarray
    labels: np.ndarray
    boxes: Array | None = None
    logits: Array | None = None
    memories: Sequence[Memory | None] = ()
    detail: float = 1.0
    wholes: Sequence[Collection[int]] = ()

    @classmethod
    def pack(
        cls,
        positive: Sequence[np.ndarray],
        negative: Sequence[np.ndarray],
        boxes: Array | None = None,
        logits: Array | None = None,
        memories: Sequence[Memory | None] = (),
        detail: float = 1.0,
        wholes: Sequence[Collection[int]] = (),
    ) -> Prompts[Memory]:
        """Prompts from B arrays (n, 2) of positive points and B arrays of negative ones, pixels."""
        points = [np.concatenate(pair) for pair in zip(positive, negative)]
        longest = max(map(len, points))
        xy = np.zeros((len(points), longest, 2), np.float32)
        labels = np.full((len(points), longest), PADDING, np.int8)
        for row, (own, on_object) in enumerate(zip(points, positive)):
            xy[row, : len(own)] = own
            labels[row, : len(on_object)] = POSITIVE
            labels[row, len(on_object) : len(own)] = NEGATIVE
        return cls(xy, labels, boxes, logits, memories, detail, wholes)

    def __len__(self) -> int:
        return len(self.labels)

    def no_rivals(self, row: int) -> list[int]:
        """The rows whose pixels may be an object's: its own, those of its parts and of objects on the same thing."""
        return [row, *(other for other, wholes in enumerate(self.wholes) if row in wholes)]

    def wholes_only(self, row: int) -> list[int]:
        """The rows of the objects of which it is a smaller part: their pixels are its own only inside its mask."""
        return [whole for whole in self.wholes[row] if row not in self.wholes[whole]] if self.wholes else []


@dataclass(frozen=True, eq=False)
class WindowFeatures:
    """What an object and its surroundings look like in one frame.

    window       the part of the image that is described
    feature_map  (n, n, C) float32: a unit vector for each of its n x n cells
    """

    window: Window
    feature_map: np.ndarray


class Decoded(ABC):
    """Masks of B objects, still in the segmenter's own arrays (on its device).

    logits  (B, h, w), to be given back as mask prompts
    """

    logits: Array

    @abstractmethod
    def boxes(self) -> Array:
        """(B, 4) x_min, y_min, x_max, y_max of the masks in image pixels, NaN where a mask is empty."""

    @abstractmethod
    def masks(self) -> np.ndarray:
        """(B, H, W) bool, at the image's resolution."""

    @abstractmethod
    def scores(self) -> np.ndarray:
        """(B,) float32: predicted IoU, nominally 0..1."""

    def results(self) -> tuple[np.ndarray, np.ndarray]:
        """`masks` and `scores`; a segmenter on a GPU overrides it to wait for both at once."""
        return self.masks(), self.scores()

    def local_results(self) -> list[tuple[LocalMask, float]]:
        """Mask, of bool, and predicted IoU of each object; overridden by a segmenter that knows where its masks lie."""
        masks, scores = self.results()
        return [(LocalMask.of(mask).trimmed(), score) for mask, score in zip(masks, scores.tolist())]

    def logits_of(self, rows: Sequence[int]) -> Array:
        """The logits (n, h, w) of the objects in n `rows`."""
        return self.logits[rows]

    @abstractmethod
    def updated(self, rows: Sequence[int], other: Decoded) -> Decoded:
        """A copy in which the objects in `rows` are replaced by those of `other`."""


@dataclass(frozen=True, eq=False)
class MaskDecoded(Decoded):
    """Masks of B objects as logits (B, H, W) float32 at the image's resolution, with predicted IoU (B,) float32."""

    logits: np.ndarray
    iou: np.ndarray

    def boxes(self) -> np.ndarray:
        return boxes_of(self.masks())

    def masks(self) -> np.ndarray:
        return self.logits > 0

    def scores(self) -> np.ndarray:
        return self.iou

    def updated(self, rows: Sequence[int], other: Decoded) -> MaskDecoded:
        logits, iou = self.logits.copy(), self.iou.copy()
        logits[rows], iou[rows] = other.logits, other.scores()
        return replace(self, logits=logits, iou=iou)


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """(B, 4) float32 x_min, y_min, x_max, y_max of masks (B, H, W) bool in pixels, NaN where a mask is empty."""
    boxes = np.full((len(masks), 4), np.nan, np.float32)
    for row, mask in enumerate(masks):
        if mask.any():
            x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
            boxes[row] = x, y, x + width - 1, y + height - 1
    return boxes


class Segmenter(ABC, Generic[Embedding, Memory]):
    """Promptable segmentation of one frame at a time.

    Embedding and Memory are the segmenter's own types: what it makes of a frame, and what it remembers of an object
    (None if it remembers nothing). Nobody else looks into them.

    remembers     whether `remember` does anything; what it returns comes back in `Prompts.memories`
    at_once       how many objects are decoded fastest in one batch; None: all
    asynchronous  whether `encode` returns at once, while a GPU goes on to compute the embedding
    adapts_detail whether it is faster where `Prompts.detail` is less
    concurrent    whether `describe` and `prepare` may be called in some threads while another one uses this object
    guidable      whether its decoder can be drawn to a known object, as a one-shot method needs it
    """

    remembers = False
    at_once: int | None = None
    asynchronous = False
    adapts_detail = False
    concurrent = False
    guidable = False

    @abstractmethod
    def encode(self, frame: Frame) -> Embedding:
        """The frame's embedding, to be given to `decode` any number of times."""

    def prepare(self, embedding: Embedding, masks: Sequence[LocalMask], objects: int, detail: float) -> None:
        """Compute ahead what `decode` will need of some objects, and keep it in the embedding; masks stay the same.

        masks    the objects' mask prompts
        objects  how many will be decoded together, these among them
        detail   as in Prompts.detail
        """

    @abstractmethod
    def decode(self, embedding: Embedding, prompts: Prompts[Memory], ambiguous: bool = False) -> Decoded:
        """Masks of B >= 1 objects.

        ambiguous: the prompts fit several nested objects, as a single click does; choose the candidate rated best
        """

    def refine(self, embedding: Embedding, prompts: Prompts[Memory], decoded: Decoded, passes: int) -> Decoded:
        """Masks of B >= 1 objects, decoded again in `passes` >= 0 passes.

        Each pass has the points and memories of `prompts`, and as mask prompt and box those of the mask before it, the
        first one those of `decoded`.
        """
        for _ in range(passes):
            decoded = self.decode(embedding, replace(prompts, boxes=decoded.boxes(), logits=decoded.logits))
        return decoded

    @abstractmethod
    def mask_prompt(self, embedding: Embedding, masks: Sequence[LocalMask | None]) -> Array:
        """Masks at the image's resolution, bool or float32, as the segmenter's own mask prompts of B objects.

        They are logits (B, h, w), NaN where None is given, or a sequence of whatever else `decode` takes.
        """

    def remember(self, embedding: Embedding, mask: LocalMask, memory: Memory | None) -> Memory | None:
        """The memory of an object with one more accepted mask of bool; `memory` is None for its first mask."""
        return None

    def describe(self, frame: Frame, embedding: Embedding) -> np.ndarray:
        """The feature map (h, w, C) float32 of a whole frame, by which lost objects are found again.

        Each cell is a unit vector. The cell (x, y) covers the image from x / w and y / h of its width and height on.
        Here it describes colours and gradients; a segmenter that computes better features overrides it.
        """
        return colors_and_gradients(frame.image)

    def describe_object(self, frame: Frame, embedding: Embedding, mask: LocalMask) -> WindowFeatures:
        """The features around a mask with at least one pixel, by which masks of other things are told.

        Here they describe colours and gradients; a segmenter that computes better features overrides it.
        """
        window = Window.around(mask.box, _OBJECT_MARGIN, frame.size, _OBJECT_SIDE, limit=_OBJECT_MARGIN)
        return WindowFeatures(window, colors_and_gradients(window.cut(frame.image)))

    def economize(self) -> str:
        """Need less memory from now on, since it ran out. Returns what has changed in words, "" if nothing can be."""
        return ""


@dataclass(frozen=True, eq=False)
class Finding:
    """Where an object known from a picture most likely is in a frame, whether it is there or not.

    xy     (2,) int, the pixel that looks most like it
    mask   (H, W) bool
    score  the mask's predicted IoU
    """

    xy: np.ndarray
    mask: np.ndarray
    score: float


class OneShot(ABC, Generic[Embedding, Target]):
    """Finds an object that is known from one picture, by means of a segmenter's embeddings.

    Target is the method's own type: what it keeps of the picture.
    """

    @abstractmethod
    def target(self, embedding: Embedding, mask: np.ndarray) -> Target:
        """What is kept of a picture, and of the object's mask (H, W) bool in it with at least one pixel."""

    @abstractmethod
    def find(self, embedding: Embedding, target: Target, excluded: np.ndarray) -> Finding:
        """Where the object most likely is in a frame.

        excluded: (H, W) bool, pixels where it cannot be; not all of them
        """
