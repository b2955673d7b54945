"""What a segmenter is: it encodes a frame once, then turns the prompts of all objects into masks in one batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from sampt_ros.descriptors import colors_and_gradients
from sampt_ros.structures import NEGATIVE, POSITIVE, Frame

PADDING = -1


@dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts of B objects for one decoder call.

    xy      (B, N, 2) float32, pixels; objects with fewer than N points are padded
    labels  (B, N) int8: POSITIVE, NEGATIVE or PADDING
    boxes   (B, 4) float32, (x_min, y_min, x_max, y_max) pixels, NaN where an object has none; None: no boxes.
            The segmenter's own array type where they come from `Decoded.boxes`.
    logits  (B, h, w) mask prompts as `Decoded.logits` or `Segmenter.mask_prompt` gives them, NaN where an
            object has none; None: no mask prompts
    memories  what the segmenter remembers of each object, as `Segmenter.remember` gave it, or None
    """

    xy: np.ndarray
    labels: np.ndarray
    boxes: Any = None
    logits: Any = None
    memories: Sequence[Any] = ()

    @classmethod
    def pack(
        cls,
        positive: Sequence[np.ndarray],
        negative: Sequence[np.ndarray],
        boxes: Any = None,
        logits: Any = None,
        memories: Sequence[Any] = (),
    ) -> Prompts:
        """Prompts from B arrays (n, 2) of positive points and as many of negative ones."""
        points = [np.concatenate(pair) for pair in zip(positive, negative)]
        longest = max(map(len, points))
        xy = np.zeros((len(points), longest, 2), np.float32)
        labels = np.full((len(points), longest), PADDING, np.int8)
        for row, (own, inside) in enumerate(zip(points, positive)):
            xy[row, : len(own)] = own
            labels[row, : len(inside)] = POSITIVE
            labels[row, len(inside) : len(own)] = NEGATIVE
        return cls(xy, labels, boxes, logits, memories)

    def __len__(self) -> int:
        return len(self.labels)


class Decoded(ABC):
    """Masks of B objects, still in the segmenter's own arrays (on its device).

    logits  (B, h, w): to be given back as mask prompts
    """

    logits: Any

    @abstractmethod
    def boxes(self) -> Any:
        """(B, 4) (x_min, y_min, x_max, y_max) in image pixels of the masks, NaN where a mask is empty."""

    @abstractmethod
    def masks(self) -> np.ndarray:
        """(B, H, W) bool, at the image's own resolution."""

    @abstractmethod
    def scores(self) -> np.ndarray:
        """(B,) float32: predicted IoU, nominally 0..1."""

    def results(self) -> tuple[np.ndarray, np.ndarray]:
        """The masks and the scores: from a GPU they come at once."""
        return self.masks(), self.scores()

    def logits_of(self, rows: Sequence[int]) -> Any:
        """The logits of some objects."""
        return self.logits[rows]

    @abstractmethod
    def updated(self, rows: Sequence[int], other: Decoded) -> Decoded:
        """A copy in which the objects in `rows` are replaced by those of `other`."""


@dataclass(frozen=True, eq=False)
class MaskDecoded(Decoded):
    """Masks of B objects as full-resolution logits (B, H, W) float32, with scores (B,)."""

    logits: np.ndarray
    iou: np.ndarray

    def boxes(self) -> np.ndarray:
        boxes = np.full((len(self.logits), 4), np.nan, np.float32)
        for row, mask in enumerate(self.masks()):
            if mask.any():
                x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
                boxes[row] = x, y, x + width - 1, y + height - 1
        return boxes

    def masks(self) -> np.ndarray:
        return self.logits > 0

    def scores(self) -> np.ndarray:
        return self.iou

    def updated(self, rows: Sequence[int], other: Decoded) -> MaskDecoded:
        logits, iou = self.logits.copy(), self.iou.copy()
        logits[rows], iou[rows] = other.logits, other.scores()
        return replace(self, logits=logits, iou=iou)


class Segmenter(ABC):
    """Promptable segmentation of one frame at a time.

    remembers  whether `remember` does anything; what it returns comes back in `Prompts.memories`
    at_once    how many objects are decoded fastest in one batch; None: all
    beside     whether `encode` returns at once and a GPU does the work beside what comes next
    """

    remembers = False
    at_once: int | None = None
    beside = False

    @abstractmethod
    def encode(self, frame: Frame) -> Any:
        """The frame's embedding, to be given to `decode` any number of times."""

    @abstractmethod
    def decode(self, embedding: Any, prompts: Prompts, ambiguous: bool = False) -> Decoded:
        """Masks for B >= 1 objects.

        ambiguous: the prompts fit several nested objects (a single click); choose the candidate rated best.
        """

    def refine(self, embedding: Any, prompts: Prompts, decoded: Decoded, passes: int) -> Decoded:
        """Masks decoded so many times again, with the logits and the box of the mask before."""
        for _ in range(passes):
            decoded = self.decode(embedding, replace(prompts, boxes=decoded.boxes(), logits=decoded.logits))
        return decoded

    @abstractmethod
    def mask_prompt(self, embedding: Any, masks: Sequence[np.ndarray | None]) -> Any:
        """Full-resolution masks (H, W) float32 0..1 as mask prompts (B, h, w), NaN where None is given."""

    def remember(self, embedding: Any, mask: np.ndarray, memory: Any) -> Any:
        """What is known of an object with one more accepted mask (H, W) bool; `memory` is None for its first."""
        return None

    def describe(self, frame: Frame, embedding: Any) -> np.ndarray:
        """(h, w, C) float32, each of length 1: what the places of a whole frame look like, for finding objects again.

        The place (x, y) is the part of the image from x / w, y / h on. This one knows only colours and gradients; a
        segmenter with features of its own gives those.
        """
        return colors_and_gradients(frame.image)

    def economize(self) -> str:
        """Need less memory from now on, since it ran out. Returns in words what has changed, "" if nothing can."""
        return ""
