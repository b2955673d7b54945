"""Our own small promptable segmenter, whose weights are in the package.

It looks at a square window around each object, so that a small object in a large image keeps its detail. The window
lies around the mask prompt. Without one, windows of several sizes around the click are tried. What each object looked
like is remembered. One network follows what is remembered, another one finds what is clicked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.geometry.crops import Window, resized
from sampt_ros.segmenters.base import Decoded, Prompts, Segmenter, WindowFeatures
from sampt_ros.segmenters.nano.backend import NanoBackend, build_backend
from sampt_ros.segmenters.nano.candidates import Candidate, area_of, fills_image
from sampt_ros.segmenters.nano.interface import Features
from sampt_ros.segmenters.nano.memory import ObjectMemory
from sampt_ros.segmenters.nano.prompts import MaskPrompt, ObjectPrompts, count_rivals

_STRIDE = 32  # Sides of scaled windows, in pixels, are multiples of the network's coarsest stride.
_MIN_SCALED_SIDE = 128  # However many objects there are, windows are not scaled below this many pixels a side.
_MIN_AREA = 16  # A mask of fewer pixels counts as no mask.
_BACKGROUND_LOGIT = -10.0  # Logit of all pixels outside the window.
_SEARCH_SHARES = (1.0, 0.55, 0.3)  # A clicked object is searched in windows of these shares of the image's longer side.
_MIN_SEARCH_SIDE = 64  # A search window is never smaller than this many image pixels a side.
# Where none of these windows shows the object well (rating below _WEAK_RATING), it may fill the image, and is searched
# in a window that reaches beyond it, or be tiny. A mask found there has to be rated so many times better. Both numbers
# were chosen on validation sequences, held-out photographs, and rectangles that fill the image.
_FURTHER_SHARES = (1.6, 0.1)
_WEAK_RATING = 0.62
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

    features  grows as windows are asked for, so that no window of a known object is encoded twice
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

    def in_image(self, size: tuple[int, int]) -> LocalMask:
        """The mask, of bool, in an image of size (height, width)."""
        rows, columns = self.window.visible
        return LocalMask(self.window.enlarged(self.logits, size) > 0, columns.start, rows.start, size).trimmed()


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
                full[mask.window.visible] = mask.window.enlarged(mask.logits, self.size)
        return logits

    def boxes(self) -> np.ndarray:
        boxes = np.full((len(self.found), 4), np.nan, np.float32)
        for row, mask in enumerate(self._local_masks()):
            if mask.area:
                boxes[row] = mask.box
        return boxes

    def masks(self) -> np.ndarray:
        return np.stack([mask.whole() for mask in self._local_masks()])

    def scores(self) -> np.ndarray:
        return np.array([0.0 if mask is None else mask.iou for mask in self.found], np.float32)

    def local_results(self) -> list[tuple[LocalMask, float]]:
        return list(zip(self._local_masks(), self.scores().tolist()))

    def _local_masks(self) -> list[LocalMask]:
        return [LocalMask.empty(self.size) if mask is None else mask.in_image(self.size) for mask in self.found]

    def updated(self, rows: Sequence[int], other: WindowsDecoded) -> WindowsDecoded:  # type: ignore[override]
        found = list(self.found)
        for row, mask in zip(rows, other.found):
            found[row] = mask
        return replace(self, found=tuple(found))


class Nano(Segmenter[NanoEmbedding, ObjectMemory]):
    """Two networks of 3.3 million parameters each; every frame costs one of them, at one window per object."""

    remembers = True
    adapts_detail = True

    def __init__(self, config: NanoConfig | None = None, backend: NanoBackend | None = None) -> None:
        """backend: what computes the networks (default: one thread of the CPU, with the weights that `config` names)

        Raises CheckpointError if the weights cannot be read.
        """
        self._config = config or NanoConfig()
        self._backend = backend or build_backend(self._config)

    @property
    def concurrent(self) -> bool:  # type: ignore[override]
        return self._backend.concurrent

    def encode(self, frame: Frame) -> NanoEmbedding:
        return NanoEmbedding(frame)

    def prepare(self, embedding: NanoEmbedding, masks: Sequence[LocalMask], objects: int, detail: float) -> None:
        side = self._scaled_side(objects, detail)
        windows = [self._around(mask, side) for mask in masks if mask.area >= _MIN_AREA]
        embedding.prepared.update(self._encoded(embedding.frame, windows))

    def decode(
        self, embedding: NanoEmbedding, prompts: Prompts[ObjectMemory], ambiguous: bool = False
    ) -> WindowsDecoded:
        size = embedding.frame.size
        objects = ObjectPrompts.of_all(prompts)
        scaled_side = self._scaled_side(len(objects), prompts.detail)
        rivals = count_rivals(objects, size)
        windows: dict[int, Window] = {}
        for row, prompt in enumerate(objects):
            if prompt.mask is None:
                windows[row], found_mask = self._search(embedding, prompt, scaled_side)
                objects[row] = replace(prompt, mask=found_mask)
            elif prompt.mask.on_object.area >= _MIN_AREA:
                windows[row] = self._reaching(prompt.mask.on_object, prompt.positive, scaled_side)
        found: list[_WindowMask | None] = [None] * len(objects)
        if windows:
            prompted = [objects[row] for row in windows]
            decoded = self._decode(embedding, list(windows.values()), prompted, rivals)
            for (row, window), logits, score in zip(windows.items(), *decoded):
                found[row] = _WindowMask(window, logits, score)
        return WindowsDecoded(size, tuple(found))

    def mask_prompt(self, embedding: NanoEmbedding, masks: Sequence[LocalMask | None]) -> list[MaskPrompt | None]:
        return [None if mask is None else MaskPrompt.of_mask(mask) for mask in masks]

    def remember(self, embedding: NanoEmbedding, mask: LocalMask, memory: ObjectMemory | None) -> ObjectMemory | None:
        if mask.area < _MIN_AREA:
            return memory
        memory = memory or ObjectMemory()
        if not memory.wants(embedding.frame.index, self._config.memory_gap):
            return memory
        window = self._encoded_window(embedding, mask)
        memorized = self._backend.memorize(self._features(embedding, [window])[0], window.cut_mask(mask))
        return memory.learned(embedding.frame.index, memorized, self._config.memories)

    def describe(self, frame: Frame, embedding: NanoEmbedding) -> np.ndarray:
        scale = _DESCRIBED_SIDE / max(frame.size)
        height, width = (max(1, round(length * scale / _STRIDE)) * _STRIDE for length in frame.size)
        image = resized(frame.image, (width, height))
        (features,) = self._backend.encode(image[None])
        return self._backend.directions(features.maps[_DESCRIBED_MAP])

    def describe_object(self, frame: Frame, embedding: NanoEmbedding, mask: LocalMask) -> WindowFeatures:
        window = self._encoded_window(embedding, mask)
        (features,) = self._features(embedding, [window])
        return WindowFeatures(window, self._backend.directions(features.maps[_DESCRIBED_MAP]))

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

    def _around(self, mask: LocalMask, scaled_side: int) -> Window:
        """The window around a mask with at least one pixel."""
        return self._window(mask.box, float(mask.area), mask.image_size, scaled_side)

    def _encoded_window(self, embedding: NanoEmbedding, mask: LocalMask) -> Window:
        """A window that is encoded already and shows a mask well, or else a new one around the mask."""
        wanted = self._around(mask, self._config.window)
        offsets = {
            window: abs(window.left - wanted.left) + abs(window.top - wanted.top)
            for window in embedding.features
            if _REUSED_SIDES[0] < window.side / wanted.side < _REUSED_SIDES[1]
        }
        nearest = min(offsets, key=offsets.__getitem__, default=wanted)
        return nearest if offsets.get(nearest, 0) < _REUSED_OFFSET * wanted.side else wanted

    def _reaching(self, on_object: LocalMask, positive: np.ndarray, scaled_side: int) -> Window:
        """A window around a mask, made larger where one of the positive points (n, 2) lies beyond it."""
        window = self._around(on_object, scaled_side)
        unit_xy = window.to_window(positive, 1)  # The window is a single pixel then, from -0.5 to 0.5.
        beyond = positive[((unit_xy < -0.5) | (unit_xy > 0.5)).any(1)]
        if not len(beyond):
            return window
        corners = np.concatenate([beyond, on_object.box.reshape(2, 2)])
        box = np.concatenate([corners.min(0), corners.max(0)])
        return self._window(box, float(on_object.area), on_object.image_size, window.size)

    def _search(
        self, embedding: NanoEmbedding, prompt: ObjectPrompts, scaled_side: int
    ) -> tuple[Window, MaskPrompt | None]:
        """The window around the object at the clicks or in the box, and its mask if the search gave one.

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
        mask = MaskPrompt.of_logits(found.window.paste(found.logits, size, _BACKGROUND_LOGIT))
        if mask.on_object.area < _MIN_AREA:
            return replace(found.window, size=scaled_side), None
        filled = self._filled_box(embedding, prompt, mask.on_object.box, found.rating)
        return self._around(mask.on_object, scaled_side), filled or mask

    def _filled_box(
        self, embedding: NanoEmbedding, prompt: ObjectPrompts, box: np.ndarray, rating: float | None = None
    ) -> MaskPrompt | None:
        """A box that fills the image, as a mask prompt, or None where the mask is as good without it.

        rating: of the mask without it, if it is known
        """
        size = embedding.frame.size
        if not fills_image(box, area_of(box), size):
            return None
        window = self._window(box, area_of(box), size, self._config.window)
        (left, top), (right, bottom) = np.rint(box).astype(int).reshape(2, 2).clip(0)
        box_mask = np.zeros(size, bool)
        box_mask[top : bottom + 1, left : right + 1] = True
        mask = MaskPrompt.of_mask(LocalMask.of(box_mask))
        filled = self._best_of(embedding, [window], replace(prompt, mask=mask))
        least = self._best_of(embedding, [window], prompt).rating if rating is None else rating
        return mask if filled.rating > _FILLED_FACTOR * least else None

    def _best_candidate(self, embedding: NanoEmbedding, prompt: ObjectPrompts, shares: Sequence[float]) -> Candidate:
        """The best mask at the clicks, of windows that are these shares of the image's longer side."""
        size = embedding.frame.size
        points = prompt.positive if len(prompt.positive) else prompt.negative
        centre, spread = (points.min(0) + points.max(0)) / 2, _SEARCH_MARGIN * float(np.ptp(points, axis=0).max())
        sides = {round(max(share * max(size), spread, _MIN_SEARCH_SIDE)) for share in shares}
        windows = [Window.centred(centre, side, size, self._config.window, limit=max(shares)) for side in sorted(sides)]
        return self._best_of(embedding, windows, prompt)

    def _best_of(self, embedding: NanoEmbedding, windows: Sequence[Window], prompt: ObjectPrompts) -> Candidate:
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
        prompts: Sequence[ObjectPrompts],
        rivals: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, S / 2, S / 2) float32 and predicted IoU (n,) of the objects in n windows of S pixels a side."""
        maps = [partial(prompt.maps, window, rivals) for prompt, window in zip(prompts, windows)]
        unknown = [row for row, prompt in enumerate(prompts) if prompt.is_unknown]
        known = [row for row in range(len(prompts)) if row not in unknown]
        found: list[tuple[np.ndarray, np.ndarray]] = []
        if known:
            features = self._features(embedding, [windows[row] for row in known])
            memories = [prompts[row].memory for row in known]
            found.append(self._backend.decode(features, [maps[row] for row in known], memories))
        if unknown:
            images = np.stack([windows[row].cut(embedding.frame.image) for row in unknown])
            found.append(self._backend.decode_clicks(images, [maps[row] for row in unknown]))
        if len(found) == 1:
            return found[0]
        order = np.argsort([*known, *unknown])
        logits, scores = (np.concatenate(values)[order] for values in zip(*found))
        return logits, scores

    def _features(self, embedding: NanoEmbedding, windows: Sequence[Window]) -> list[Features]:
        """Features of each of these windows; those that were not encoded before are encoded in one batch."""
        known, prepared = embedding.features, embedding.prepared
        known.update((window, prepared.pop(window)) for window in dict.fromkeys(windows) if window in prepared)
        known.update(self._encoded(embedding.frame, [window for window in windows if window not in known]))
        return [known[window] for window in windows]

    def _encoded(self, frame: Frame, windows: Sequence[Window]) -> dict[Window, Features]:
        """Features of each of these windows, encoded in one batch."""
        if not windows:
            return {}
        different = list(dict.fromkeys(windows))
        encoded = self._backend.encode(np.stack([window.cut(frame.image) for window in different]))
        return dict(zip(different, encoded))
