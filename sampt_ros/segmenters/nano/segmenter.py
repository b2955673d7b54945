"""Our own small promptable segmenter, whose weights are in the package.

It looks at a square window around each object, so that a small object in a large image keeps its detail. The window
lies around the mask prompt. Without one, windows of several sizes around the click are tried. What each object looked
like is remembered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame
from sampt_ros.geometry.crops import Window, box_of, draw_box, draw_points, resized
from sampt_ros.segmenters.base import Decoded, Prompts, Segmenter, WindowFeatures, boxes_of
from sampt_ros.segmenters.nano import interface
from sampt_ros.segmenters.nano.backend import NanoBackend, build_backend
from sampt_ros.segmenters.nano.candidates import Candidate, area_of, fills_image
from sampt_ros.segmenters.nano.interface import Features
from sampt_ros.segmenters.nano.memory import ObjectMemory

_STRIDE = 32  # Sides of scaled windows, in pixels, are multiples of the network's coarsest stride.
_MIN_SCALED_SIDE = 128  # However many objects there are, windows are not scaled below this many pixels a side.
_MIN_AREA = 16  # A mask of fewer pixels counts as no mask.
_MASK_PROMPT_LOGIT = 3.0  # Logit of a mask prompt's pixel that is surely on the object.
_BACKGROUND_LOGIT = -10.0  # Logit of all pixels outside the window.
_SEARCH_SHARES = (1.0, 0.55, 0.3)  # A clicked object is searched in windows of these shares of the image's longer side.
_MIN_SEARCH_SIDE = 64  # A search window is never smaller than this many image pixels a side.
# Where none of these windows shows the object well (rating below _WEAK_RATING), it may fill the image, and is searched
# in a window that reaches beyond it, or be tiny. A mask found there has to be rated so many times better. Both numbers
# were chosen on 90 objects of training pictures and on rectangles that fill the image.
_FURTHER_SHARES = (1.6, 0.1)
_WEAK_RATING = 0.6
_FURTHER_FACTOR = 1.3
# A box that fills the image becomes a mask prompt, unless its mask is rated lower than this share of the box's own.
_FILLED_FACTOR = 0.9
_SEARCH_MARGIN = 1.5  # A search window's side is at least so many times the distance between the clicks.
_REUSED_SIDES = (0.8, 1.35)  # Reuse an encoded window whose side is 0.8 to 1.35 of the wanted one ...
_REUSED_OFFSET = 0.3  # ... and whose corner is off by less than this share of the wanted side.
_DESCRIBED_SIDE = 480  # A whole image is described at this many pixels of its longest side ...
_DESCRIBED_MAP = 3  # ... by the encoder's map of stride 16, and so is an object in its window.


@dataclass(frozen=True, eq=False)
class NanoEmbedding:
    """A frame, and the features of those of its windows that were encoded so far.

    features  grows as windows are asked for, so that no window is encoded twice
    prepared  of windows that were encoded ahead, until they are asked for
    """

    frame: Frame
    features: dict[Window, Features] = field(default_factory=dict)
    prepared: dict[Window, Features] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _WindowMask:
    """One object's mask: logits (n, n) float32 of the window, and predicted IoU."""

    window: Window
    logits: np.ndarray
    iou: float


@dataclass(frozen=True, eq=False)
class WindowsDecoded(Decoded):
    """Masks of B objects in an image of size (height, width), each in its window; None: nothing was found.

    What they are beyond the windows is known, and takes no memory.
    """

    size: tuple[int, int]
    found: tuple[_WindowMask | None, ...]

    @property
    def logits(self) -> np.ndarray:
        """(B, H, W) float32 at the image's resolution."""
        logits = np.full((len(self.found), *self.size), _BACKGROUND_LOGIT, np.float32)
        for full, mask in zip(logits, self.found):
            if mask is not None:
                mask.window.paste_into(full, mask.logits)
        return logits

    def boxes(self) -> np.ndarray:
        return boxes_of(self.masks())

    def masks(self) -> np.ndarray:
        masks = np.zeros((len(self.found), *self.size), bool)
        for full, mask in zip(masks, self.found):
            if mask is not None:
                mask.window.paste_into(full, mask.logits)
        return masks

    def scores(self) -> np.ndarray:
        return np.array([0.0 if mask is None else mask.iou for mask in self.found], np.float32)

    def updated(self, rows: Sequence[int], other: WindowsDecoded) -> WindowsDecoded:  # type: ignore[override]
        found = list(self.found)
        for row, mask in zip(rows, other.found):
            found[row] = mask
        return replace(self, found=tuple(found))


class Nano(Segmenter[NanoEmbedding, ObjectMemory]):
    """A network of 3.3 million parameters that looks at one window per object."""

    remembers = True
    adapts_detail = True

    def __init__(self, config: NanoConfig | None = None, backend: NanoBackend | None = None) -> None:
        """backend: what computes the network (default: one thread of the CPU, with the weights of `config.checkpoint`)

        Raises CheckpointError if the weights cannot be read.
        """
        self._config = config or NanoConfig()
        self._backend = backend or build_backend(self._config.checkpoint)

    @property
    def concurrent(self) -> bool:  # type: ignore[override]
        return self._backend.concurrent

    def encode(self, frame: Frame) -> NanoEmbedding:
        return NanoEmbedding(frame)

    def prepare(self, embedding: NanoEmbedding, masks: Sequence[np.ndarray], objects: int, detail: float) -> None:
        side = self._scaled_side(objects, detail)
        on_object = [mask > 0.5 for mask in masks]
        windows = [self._around(mask, side) for mask in on_object if np.count_nonzero(mask) >= _MIN_AREA]
        embedding.prepared.update(self._encoded(embedding.frame, windows))

    def decode(
        self, embedding: NanoEmbedding, prompts: Prompts[ObjectMemory], ambiguous: bool = False
    ) -> WindowsDecoded:
        size = embedding.frame.size
        objects = [_ObjectPrompts.of(prompts, row) for row in range(len(prompts))]
        scaled_side = self._scaled_side(len(objects), prompts.detail)
        rivals = _rivals(objects, size)
        windows: dict[int, Window] = {}
        for row, prompt in enumerate(objects):
            if prompt.mask_logits is None:
                windows[row], found_logits = self._search(embedding, prompt, scaled_side)
                objects[row] = replace(prompt, mask_logits=found_logits)
            elif np.count_nonzero(prompt.mask) >= _MIN_AREA:
                windows[row] = self._reaching(self._around(prompt.mask, scaled_side), prompt, size)
        found: list[_WindowMask | None] = [None] * len(objects)
        if windows:
            prompted = [objects[row] for row in windows]
            decoded = self._decode(embedding, list(windows.values()), prompted, rivals)
            for (row, window), logits, score in zip(windows.items(), *decoded):
                found[row] = _WindowMask(window, logits, score)
        return WindowsDecoded(size, tuple(found))

    def mask_prompt(self, embedding: NanoEmbedding, masks: Sequence[np.ndarray | None]) -> np.ndarray:
        prompts = np.empty((len(masks), *embedding.frame.size), np.float32)
        for prompt, mask in zip(prompts, masks):
            if mask is None:
                prompt.fill(np.nan)
            else:  # Computed in place: with many objects these are the largest arrays of all.
                np.multiply(mask, 2 * _MASK_PROMPT_LOGIT, out=prompt)
                prompt -= _MASK_PROMPT_LOGIT
        return prompts

    def remember(self, embedding: NanoEmbedding, mask: np.ndarray, memory: ObjectMemory | None) -> ObjectMemory | None:
        if np.count_nonzero(mask) < _MIN_AREA:
            return memory
        memory = memory or ObjectMemory()
        if not memory.wants(embedding.frame.index, self._config.memory_gap):
            return memory
        window = self._encoded_window(embedding, mask)
        memorized = self._backend.memorize(self._features(embedding, [window]), window.cut(mask))
        return memory.learned(embedding.frame.index, memorized, self._config.memories)

    def describe(self, frame: Frame, embedding: NanoEmbedding) -> np.ndarray:
        scale = _DESCRIBED_SIDE / max(frame.size)
        height, width = (max(1, round(length * scale / _STRIDE)) * _STRIDE for length in frame.size)
        image = resized(frame.image, (width, height))
        return self._backend.directions(self._backend.encode(image[None]).maps[_DESCRIBED_MAP])

    def describe_object(self, frame: Frame, embedding: NanoEmbedding, mask: np.ndarray) -> WindowFeatures:
        window = self._encoded_window(embedding, mask)
        features = self._features(embedding, [window]).maps[_DESCRIBED_MAP]
        return WindowFeatures(window, self._backend.directions(features))

    def _scaled_side(self, objects: int, detail: float = 1.0) -> int:
        """The side in pixels that the windows of so many objects are scaled to: smaller where they are many.

        detail: share of the usual pixels
        """
        pixels = min(self._config.budget // objects, self._config.window**2)
        affordable = math.isqrt(int(detail * pixels)) // _STRIDE * _STRIDE
        return min(max(affordable, _MIN_SCALED_SIDE), self._config.window)

    def _window(self, box: np.ndarray, area: float, size: tuple[int, int], scaled_side: int) -> Window:
        """The window around a box (x_min, y_min, x_max, y_max), with the margin that the configuration wants.

        It reaches beyond the image where the object fills that: the network finds none that fills its window.

        area: of the object, pixels
        """
        margin = self._config.margin
        limit = margin if fills_image(box, area, size) else 1.0
        return Window.around(box, margin, size, scaled_side, limit)

    def _around(self, mask: np.ndarray, scaled_side: int) -> Window:
        """The window around a mask (H, W) bool with at least one pixel."""
        return self._window(box_of(mask), float(np.count_nonzero(mask)), mask.shape, scaled_side)

    def _encoded_window(self, embedding: NanoEmbedding, mask: np.ndarray) -> Window:
        """A window that is encoded already and shows a mask (H, W) bool well, or else a new one around the mask."""
        wanted = self._around(mask, self._config.window)
        offsets = {
            window: abs(window.left - wanted.left) + abs(window.top - wanted.top)
            for window in embedding.features
            if _REUSED_SIDES[0] < window.side / wanted.side < _REUSED_SIDES[1]
        }
        nearest = min(offsets, key=offsets.__getitem__, default=wanted)
        return nearest if offsets.get(nearest, 0) < _REUSED_OFFSET * wanted.side else wanted

    def _reaching(self, window: Window, prompt: _ObjectPrompts, size: tuple[int, int]) -> Window:
        """A window around the mask prompt, made larger where a positive point lies beyond it."""
        unit_xy = window.to_window(prompt.positive, 1)  # The window is a single pixel then, from -0.5 to 0.5.
        beyond = prompt.positive[((unit_xy < -0.5) | (unit_xy > 0.5)).any(1)]
        if not len(beyond):
            return window
        corners = np.concatenate([beyond, box_of(prompt.mask).reshape(2, 2)])
        box = np.concatenate([corners.min(0), corners.max(0)])
        return self._window(box, float(np.count_nonzero(prompt.mask)), size, window.size)

    def _search(
        self, embedding: NanoEmbedding, prompt: _ObjectPrompts, scaled_side: int
    ) -> tuple[Window, np.ndarray | None]:
        """The window around the object at the clicks or in the box, and its logits (H, W) if the search gave them.

        scaled_side: of the window that is returned, in pixels; windows are searched at full size
        """
        size = embedding.frame.size
        if prompt.box is not None:
            window = self._window(prompt.box, area_of(prompt.box), size, scaled_side)
            return window, self._filled_box(embedding, prompt, prompt.box)
        found = self._best_candidate(embedding, prompt, _SEARCH_SHARES)
        if found.rating < _WEAK_RATING:
            further = self._best_candidate(embedding, prompt, _FURTHER_SHARES)
            found = further if further.rating > _FURTHER_FACTOR * found.rating else found
        logits = found.window.paste(found.logits, size, _BACKGROUND_LOGIT)
        if np.count_nonzero(logits > 0) < _MIN_AREA:
            return replace(found.window, size=scaled_side), None
        filled = self._filled_box(embedding, prompt, box_of(logits > 0), found.rating)
        return self._around(logits > 0, scaled_side), logits if filled is None else filled

    def _filled_box(
        self, embedding: NanoEmbedding, prompt: _ObjectPrompts, box: np.ndarray, rating: float | None = None
    ) -> np.ndarray | None:
        """A box that fills the image, as a mask prompt (H, W) float32, or None where the mask is as good without it.

        rating: of the mask without it, if it is known
        """
        size = embedding.frame.size
        if not fills_image(box, area_of(box), size):
            return None
        window = self._window(box, area_of(box), size, self._config.window)
        (left, top), (right, bottom) = np.rint(box).astype(int).reshape(2, 2).clip(0)
        logits = np.full(size, -_MASK_PROMPT_LOGIT, np.float32)
        logits[top : bottom + 1, left : right + 1] = _MASK_PROMPT_LOGIT
        filled = self._best_of(embedding, [window], replace(prompt, mask_logits=logits))
        least = self._best_of(embedding, [window], prompt).rating if rating is None else rating
        return logits if filled.rating > _FILLED_FACTOR * least else None

    def _best_candidate(self, embedding: NanoEmbedding, prompt: _ObjectPrompts, shares: Sequence[float]) -> Candidate:
        """The best mask at the clicks, of windows that are these shares of the image's longer side."""
        size = embedding.frame.size
        points = prompt.positive if len(prompt.positive) else prompt.negative
        centre, spread = (points.min(0) + points.max(0)) / 2, _SEARCH_MARGIN * float(np.ptp(points, axis=0).max())
        sides = {round(max(share * max(size), spread, _MIN_SEARCH_SIDE)) for share in shares}
        windows = [Window.centred(centre, side, size, self._config.window, limit=max(shares)) for side in sorted(sides)]
        return self._best_of(embedding, windows, prompt)

    def _best_of(self, embedding: NanoEmbedding, windows: Sequence[Window], prompt: _ObjectPrompts) -> Candidate:
        """The best mask at one object's prompts, of those in several windows."""
        found = self._decode(embedding, windows, [prompt] * len(windows), None)
        rated = [
            Candidate.rated(window, logits, float(score), prompt.positive, prompt.negative, embedding.frame.size)
            for window, logits, score in zip(windows, *found)
        ]
        return max(rated, key=lambda candidate: candidate.rating)

    def _decode(
        self,
        embedding: NanoEmbedding,
        windows: Sequence[Window],
        prompts: Sequence[_ObjectPrompts],
        rivals: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, S / 2, S / 2) float32 and predicted IoU (n,) of the objects in n windows of S pixels a side."""
        maps = np.stack([prompt.maps(window, rivals) for prompt, window in zip(prompts, windows)])
        features = self._features(embedding, windows)
        return self._backend.decode(features, maps, [prompt.memory for prompt in prompts])

    def _features(self, embedding: NanoEmbedding, windows: Sequence[Window]) -> Features:
        """Features of n windows; those that were not encoded before are encoded in one batch."""
        known, prepared = embedding.features, embedding.prepared
        known.update((window, prepared.pop(window)) for window in dict.fromkeys(windows) if window in prepared)
        known.update(self._encoded(embedding.frame, [window for window in windows if window not in known]))
        return self._backend.stacked([known[window] for window in windows])

    def _encoded(self, frame: Frame, windows: Sequence[Window]) -> dict[Window, Features]:
        """Features of each of these windows, encoded in one batch."""
        if not windows:
            return {}
        different = list(dict.fromkeys(windows))
        encoded = self._backend.encode(np.stack([window.cut(frame.image) for window in different]))
        return {window: encoded.select(slice(row, row + 1)) for row, window in enumerate(different)}


@dataclass(frozen=True, eq=False)
class _ObjectPrompts:
    """One object's prompts.

    positive     (n, 2) float32 pixel xy: points on the object
    negative     (m, 2) float32 pixel xy: points off it
    box          (4,) x_min, y_min, x_max, y_max, or None
    mask_logits  (H, W) float32: the mask prompt, or None
    memory       what is remembered of the object, or None
    """

    positive: np.ndarray
    negative: np.ndarray
    box: np.ndarray | None
    mask_logits: np.ndarray | None
    memory: ObjectMemory | None

    @cached_property
    def mask(self) -> np.ndarray:
        """(H, W) bool: the mask prompt, which must be there."""
        return np.greater(self.mask_logits, 0)  # type: ignore[arg-type]

    @classmethod
    def of(cls, prompts: Prompts[ObjectMemory], row: int) -> _ObjectPrompts:
        """Those of one object of a batch."""
        positive, negative = (prompts.xy[row][prompts.labels[row] == label] for label in (POSITIVE, NEGATIVE))
        box = None if prompts.boxes is None or np.isnan(prompts.boxes[row]).any() else prompts.boxes[row]
        logits = None if prompts.logits is None or np.isnan(prompts.logits[row, 0, 0]) else prompts.logits[row]
        return cls(positive, negative, box, logits, prompts.memories[row] if prompts.memories else None)

    def maps(self, window: Window, rivals: np.ndarray | None) -> np.ndarray:
        """(6, S / 4, S / 4) float32: the prompts as the network takes them, see interface.PROMPT_CHANNELS.

        rivals: (H, W) uint8, the number of objects' mask prompts that cover a pixel, or None
        """
        cells = window.size // interface.PROMPT_STRIDE
        maps = np.zeros((interface.PROMPT_CHANNELS, cells, cells), np.float32)
        for channel, xy in ((interface.POSITIVE, self.positive), (interface.NEGATIVE, self.negative)):
            maps[channel] = draw_points(window.to_window(xy, cells), cells)
        if self.box is not None and self.mask_logits is None:
            maps[interface.BOX] = draw_box(window.to_window(self.box.reshape(2, 2), cells).ravel(), cells)
        if self.mask_logits is not None:
            maps[interface.MASK] = np.tanh(window.cut(self.mask_logits, cells) / 2)
            maps[interface.HAS_MASK] = 1
        if rivals is not None:
            others = rivals[window.visible] > (0 if self.mask_logits is None else self.mask[window.visible])
            if others.any():
                maps[interface.RIVALS] = window.scaled(others, cells)
        return maps


def _rivals(objects: Sequence[_ObjectPrompts], size: tuple[int, int]) -> np.ndarray | None:
    """(H, W) uint8: how many mask prompts cover each pixel, or None if no object has a rival with a mask prompt."""
    masks = [prompt.mask for prompt in objects if prompt.mask_logits is not None]
    if len(objects) < 2 or not masks:
        return None
    count = np.zeros(size, np.uint8)
    for mask in masks:
        count += mask
    return count
