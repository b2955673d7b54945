"""The prompts of one object, and the maps that the nano segmenter's network takes them as."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE, LocalMask
from sampt_ros.geometry.crops import Window, draw_box, draw_points
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.nano import interface
from sampt_ros.segmenters.nano.memory import ObjectMemory

_SURE_LOGIT = 3.0  # Logit of a mask prompt's pixel that is surely on the object.


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """A mask prompt. Its logits, factor * (values - middle), are computed where a window shows them only.

    values     float32
    on_object  where the logits are above 0, as a mask of bool
    """

    values: LocalMask
    on_object: LocalMask
    middle: float = 0.0
    factor: float = 1.0

    @classmethod
    def of_mask(cls, mask: LocalMask) -> MaskPrompt:
        """From a mask, bool or float32."""
        return cls(mask, mask.on_object, 0.5, 2 * _SURE_LOGIT)

    @classmethod
    def of_logits(cls, logits: np.ndarray) -> MaskPrompt:
        """From logits (H, W) float32."""
        return cls(LocalMask.of(logits), LocalMask.of(logits > 0))

    def shown(self, window: Window, cells: int) -> np.ndarray:
        """(cells, cells) float32 -1..1: what a window shows of it."""
        values = self.values.part(*window.visible).astype(np.float32, copy=False)
        scaled = window.scaled(values, cells, beyond=self.middle)
        shown: np.ndarray = np.tanh(self.factor / 2 * (scaled - self.middle))
        return shown


@dataclass(frozen=True, eq=False)
class ObjectPrompts:
    """One object's prompts.

    positive   (n, 2) float32 pixel xy: points on the object
    negative   (m, 2) float32 pixel xy: points off it
    box        (4,) x_min, y_min, x_max, y_max, or None
    mask       the mask prompt, or None
    memory     what is remembered of the object, or None
    no_rivals  mask prompts of itself, of its parts, and of objects on the same thing
    wholes     mask prompts of the objects of which it is a part: rivals outside its own
    """

    positive: np.ndarray
    negative: np.ndarray
    box: np.ndarray | None
    mask: MaskPrompt | None
    memory: ObjectMemory | None
    no_rivals: tuple[MaskPrompt, ...] = ()
    wholes: tuple[MaskPrompt, ...] = ()

    @property
    def is_unknown(self) -> bool:
        """Whether it is clicked or in a box, and nothing is remembered of it: then the click network finds it."""
        return self.memory is None and (len(self.positive) > 0 or self.box is not None)

    @classmethod
    def of_all(cls, prompts: Prompts[ObjectMemory]) -> list[ObjectPrompts]:
        """Those of a batch of objects, whose mask prompts are MaskPrompts, or logits as `Decoded` has them."""
        objects = [cls._of(prompts, row) for row in range(len(prompts))]
        masks = [each.mask for each in objects]
        no_rivals, wholes = (
            [tuple(mask for row in rows_of(own) if (mask := masks[row]) is not None) for own in range(len(objects))]
            for rows_of in (prompts.no_rivals, prompts.wholes_only)
        )
        return [replace(each, no_rivals=own, wholes=whole) for each, own, whole in zip(objects, no_rivals, wholes)]

    @classmethod
    def _of(cls, prompts: Prompts[ObjectMemory], row: int) -> ObjectPrompts:
        positive, negative = (prompts.xy[row][prompts.labels[row] == label] for label in (POSITIVE, NEGATIVE))
        box = None if prompts.boxes is None or np.isnan(prompts.boxes[row]).any() else prompts.boxes[row]
        mask = None if prompts.logits is None else prompts.logits[row]
        mask = MaskPrompt.of_logits(mask) if isinstance(mask, np.ndarray) else mask
        return cls(positive, negative, box, mask, prompts.memories[row] if prompts.memories else None)

    def maps(self, window: Window, rivals: np.ndarray | None) -> np.ndarray:
        """(6, S / 4, S / 4) float32: the prompts as the network takes them, see interface.PROMPT_CHANNELS.

        rivals: (H, W) uint8, the number of objects' mask prompts that cover a pixel, at most 255, or None
        """
        cells = window.size // interface.PROMPT_STRIDE
        maps = np.zeros((interface.PROMPT_CHANNELS, cells, cells), np.float32)
        for channel, xy in ((interface.POSITIVE, self.positive), (interface.NEGATIVE, self.negative)):
            maps[channel] = draw_points(window.to_window(xy, cells), cells)
        if self.box is not None and self.mask is None:
            maps[interface.BOX] = draw_box(window.to_window(self.box.reshape(2, 2), cells).ravel(), cells)
        if self.mask is not None:
            maps[interface.MASK] = self.mask.shown(window, cells)
            maps[interface.HAS_MASK] = 1
        if rivals is not None:
            # Of the masks that cover a pixel, so many are no rivals'.
            allowed = sum(mask.on_object.part(*window.visible).astype(np.uint16) for mask in self.no_rivals)
            for whole in self.wholes:
                shown = whole.on_object.part(*window.visible)
                allowed = allowed + (shown if self.mask is None else shown & self.mask.on_object.part(*window.visible))
            others = rivals[window.visible] > allowed
            if others.any():
                maps[interface.RIVALS] = window.scaled(others, cells)
        return maps


def count_rivals(objects: Sequence[ObjectPrompts], size: tuple[int, int]) -> np.ndarray | None:
    """(H, W) uint8: how many mask prompts cover each pixel, at most 255; None if no object has a rival with one."""
    masks = [prompt.mask.on_object for prompt in objects if prompt.mask is not None and prompt.mask.on_object.area]
    if len(objects) < 2 or not masks:
        return None
    count = np.zeros(size, np.uint8)
    for mask in masks:
        covered = count[mask.rectangle]
        covered[:] = cv2.add(covered, mask.values.view(np.uint8))  # It does not wrap, unlike NumPy's sum.
    return count
