"""Our own small promptable segmenter, whose weights are in the package.

It looks at a square window around each object, so a small object in a large image keeps its detail. The window comes
from the mask prompt; without one it is searched for around the click. It remembers each object's looks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional

from sampt_ros.checkpoints import read_safetensors
from sampt_ros.config import NanoConfig
from sampt_ros.devices import downloaded, torch_device, uploaded
from sampt_ros.segmenters import nano_network as network
from sampt_ros.segmenters.base import MaskDecoded, Prompts, Segmenter
from sampt_ros.segmenters.nano_memory import ObjectMemory, joined
from sampt_ros.segmenters.nano_network import Features, NanoNetwork
from sampt_ros.structures import NEGATIVE, POSITIVE, Frame
from sampt_ros.window import Window, box_of, draw_box, draw_points

WEIGHTS = Path(__file__).with_name("nano.safetensors")

_STEP = 32  # pixels that the side of a scaled window is a multiple of
_LEAST_SCALED = 128  # pixels a side, that many objects cannot make a scaled window smaller than
_SMALLEST = 16  # pixels; less is no mask
_CERTAIN = 3.0  # logit given to a sure pixel of a mask prompt
_NOTHING = -10.0  # logit outside the window
_SHARES = (1.0, 0.55, 0.3)  # of the image's longer side: windows in which a clicked object is looked for
_LEAST_SEARCHED = 64  # pixels a side
_SUITS = (0.8, 1.35)  # sides of a window, as shares of the wanted one's, that do as well
_NEAR = 0.3  # likewise, how far its corner may be off
_REACH = 1.5  # times the distance between the clicks
_DISOBEYED = 0.5  # a mask is worth so much less for each click that it is at odds with
_DESCRIBED = 480  # pixels that the longest side of a whole image is scaled to, to be described
_DESCRIBING = 3  # the map of stride 16
_CUT_OFF = 0.7  # a mask that ends with its window, not with the image, is worth so much


@dataclass(frozen=True, eq=False)
class NanoEmbedding:
    """A frame, and the features of the windows that were looked at in it: encoded once each."""

    frame: Frame
    features: dict[Window, Features] = field(default_factory=dict)


class Nano(Segmenter):
    """A network of 3.3 million parameters, on a window per object."""

    remembers = True

    def __init__(self, config: NanoConfig | None = None, device: str = "cpu") -> None:
        """Raises CheckpointError if the weights cannot be read."""
        self._config = config or NanoConfig()
        self._device = torch_device(device)
        self._network = NanoNetwork().eval().requires_grad_(False)
        path = self._config.checkpoint or str(WEIGHTS)
        weights = read_safetensors("nano.checkpoint", path, "the nano segmenter", self._network.state_dict())
        self._network.load_state_dict(weights)
        self._network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, frame: Frame) -> NanoEmbedding:
        return NanoEmbedding(frame)

    @torch.inference_mode()
    def decode(self, embedding: NanoEmbedding, prompts: Prompts, ambiguous: bool = False) -> MaskDecoded:
        """Masks of B objects; `logits` (B, H, W) float32."""
        size = embedding.frame.size
        asked = [_Asked.of(prompts, row) for row in range(len(prompts))]
        scaled = self._scaled_size(len(asked))
        logits = np.full((len(asked), *size), _NOTHING, np.float32)
        scores = np.zeros(len(asked), np.float32)
        rivals = _rivals(asked, size)
        windows: dict[int, Window] = {}
        for row, one in enumerate(asked):
            if one.prior is None:
                windows[row], prior = self._find(embedding, one, scaled)
                asked[row] = replace(one, prior=prior)
            elif np.count_nonzero(one.mask) >= _SMALLEST:
                windows[row] = self._reaching(self._around(one.mask, scaled), one, size)
        if not windows:
            return MaskDecoded(logits, scores)
        rows = list(windows)
        chosen = [asked[row] for row in rows]
        found, rated = self._decode(embedding, list(windows.values()), chosen, rivals)
        for row, window, values, score in zip(rows, windows.values(), found, rated):
            window.paste_into(logits[row], values)
            scores[row] = score
        return MaskDecoded(logits, scores)

    def mask_prompt(self, embedding: NanoEmbedding, masks: Sequence[np.ndarray | None]) -> np.ndarray:
        missing = np.full(embedding.frame.size, np.nan, np.float32)
        return np.stack([missing if mask is None else _CERTAIN * (2 * mask - 1) for mask in masks])

    @torch.inference_mode()
    def remember(self, embedding: NanoEmbedding, mask: np.ndarray, memory: ObjectMemory | None) -> ObjectMemory | None:
        if np.count_nonzero(mask) < _SMALLEST:
            return memory
        memory = memory or ObjectMemory()
        if not memory.wants(embedding.frame.index, self._config.memory_gap):
            return memory
        window = self._seen_in(embedding, mask)
        features = self._features(embedding, [window])
        inside = uploaded(window.cut(mask.astype(np.float32)), self._device)[None, None]
        seen = self._network.memorize(features, inside)
        return memory.learned(embedding.frame.index, seen, self._config.memories)

    @torch.inference_mode()
    def describe(self, frame: Frame, embedding: NanoEmbedding) -> np.ndarray:
        scale = _DESCRIBED / max(frame.size)
        size = [max(1, round(length * scale / _STEP)) * _STEP for length in frame.size[::-1]]
        image = uploaded(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), self._device)
        features = self._network.encode(image.permute(2, 0, 1)[None]).maps[_DESCRIBING]
        return downloaded(functional.normalize(features[0], dim=0).permute(1, 2, 0).contiguous().float())[0]

    def _scaled_size(self, objects: int) -> int:
        """The side that the windows of so many objects are scaled to: smaller where they are many."""
        affordable = math.isqrt(self._config.budget // objects) // _STEP * _STEP
        return min(max(affordable, _LEAST_SCALED), self._config.window)

    def _window(self, box: np.ndarray, size: tuple[int, int], scaled: int) -> Window:
        return Window.around(box, self._config.margin, size, scaled)

    def _around(self, mask: np.ndarray, scaled: int) -> Window:
        return self._window(box_of(mask), mask.shape, scaled)

    def _seen_in(self, embedding: NanoEmbedding, mask: np.ndarray) -> Window:
        """The window that a mask was found in, if its size suits: it is encoded already. Else one around the mask."""
        wanted = self._around(mask, self._config.window)
        off = {
            window: abs(window.left - wanted.left) + abs(window.top - wanted.top)
            for window in embedding.features
            if _SUITS[0] < window.side / wanted.side < _SUITS[1]
        }
        nearest = min(off, key=off.__getitem__, default=wanted)
        return nearest if off.get(nearest, 0) < _NEAR * wanted.side else wanted

    def _reaching(self, window: Window, one: _Asked, size: tuple[int, int]) -> Window:
        """A window around the mask prompt, made larger where a point on the object lies beyond it."""
        at = window.to_window(one.on, 1)
        beyond = one.on[((at < -0.5) | (at > 0.5)).any(1)]  # the window is one pixel then, and ends half of it away
        if not len(beyond):
            return window
        corners = np.concatenate([beyond, box_of(one.mask).reshape(2, 2)])
        return self._window(np.concatenate([corners.min(0), corners.max(0)]), size, window.size)

    def _find(self, embedding: NanoEmbedding, one: _Asked, scaled: int) -> tuple[Window, np.ndarray | None]:
        """The window around what the click or box means, and its logits (H, W) if they were found on the way.

        scaled: the side that this window, though not those of the search, is scaled to
        """
        size = embedding.frame.size
        if one.box is not None:
            return self._window(one.box, size, scaled), None
        points = one.on if len(one.on) else one.off
        centre, reach = (points.min(0) + points.max(0)) / 2, _REACH * float(np.ptp(points, axis=0).max())
        sides = {round(max(share * max(size), reach, _LEAST_SEARCHED)) for share in _SHARES}
        windows = [Window.centred(centre, side, size, self._config.window) for side in sorted(sides)]
        found, rated = self._decode(embedding, windows, [one] * len(windows), None)
        worth = [
            score * _completeness(values, window, size) * _agreement(values, window, one)
            for values, window, score in zip(found, windows, rated)
        ]
        best = int(np.argmax(worth))
        logits = windows[best].paste(found[best], size, _NOTHING)
        if np.count_nonzero(logits > 0) < _SMALLEST:
            return replace(windows[best], size=scaled), None
        return self._around(logits > 0, scaled), logits

    def _decode(
        self, embedding: NanoEmbedding, windows: Sequence[Window], asked: Sequence[_Asked], rivals: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, S / 2, S / 2) float32 and predicted IoU (n,) of what is asked for in n windows."""
        prompts = np.stack([one.drawn(window, rivals) for one, window in zip(asked, windows)])
        features = self._features(embedding, windows)
        memory = joined([one.memory for one in asked])
        logits, rating = self._network.decode(features, uploaded(prompts, self._device), memory)
        found, rated = downloaded(logits.float(), torch.sigmoid(rating).float())
        return found, rated

    def _features(self, embedding: NanoEmbedding, windows: Sequence[Window]) -> Features:
        """Features of n windows, those not looked at before encoded in one batch."""
        known = embedding.features
        new = [window for window in dict.fromkeys(windows) if window not in known]
        if new:
            images = np.stack([window.cut(embedding.frame.image) for window in new])
            encoded = self._network.encode(uploaded(images, self._device).permute(0, 3, 1, 2))
            known.update((window, encoded.select(slice(row, row + 1))) for row, window in enumerate(new))
            if new == list(windows):
                return encoded
        return Features(tuple(torch.cat(maps) for maps in zip(*(known[window].maps for window in windows))))


@dataclass(eq=False)
class _Asked:
    """One object's prompts: points (n, 2) on it and (m, 2) off it, box (4,), logits (H, W), memory."""

    on: np.ndarray
    off: np.ndarray
    box: np.ndarray | None
    prior: np.ndarray | None
    memory: ObjectMemory | None

    @cached_property
    def mask(self) -> np.ndarray:
        """(H, W) bool, of a prior that is there."""
        return np.greater(self.prior, 0)  # type: ignore[arg-type]

    @classmethod
    def of(cls, prompts: Prompts, row: int) -> _Asked:
        on, off = (prompts.xy[row][prompts.labels[row] == label] for label in (POSITIVE, NEGATIVE))
        box = None if prompts.boxes is None or np.isnan(prompts.boxes[row]).any() else prompts.boxes[row]
        prior = None if prompts.logits is None or np.isnan(prompts.logits[row, 0, 0]) else prompts.logits[row]
        return cls(on, off, box, prior, prompts.memories[row] if prompts.memories else None)

    def drawn(self, window: Window, rivals: np.ndarray | None) -> np.ndarray:
        """(6, S / 4, S / 4) float32: see nano_network. `rivals` (H, W): how many masks cover a pixel."""
        cells = window.size // network.PROMPT_STRIDE
        maps = np.zeros((network.PROMPT_CHANNELS, cells, cells), np.float32)
        for channel, xy in ((network.POSITIVE, self.on), (network.NEGATIVE, self.off)):
            maps[channel] = draw_points(window.to_window(xy, cells), cells)
        if self.box is not None and self.prior is None:
            maps[network.BOX] = draw_box(window.to_window(self.box.reshape(2, 2), cells).ravel(), cells)
        if self.prior is not None:
            maps[network.MASK] = np.tanh(window.cut(self.prior, cells) / 2)
            maps[network.HAS_MASK] = 1
        if rivals is not None:
            others = rivals > (0 if self.prior is None else self.mask)
            maps[network.RIVALS] = window.cut(others.astype(np.float32), cells)
        return maps


def _rivals(asked: Sequence[_Asked], size: tuple[int, int]) -> np.ndarray | None:
    """(H, W) uint8: how many of the mask prompts cover a pixel, or None if none can rival another."""
    masks = [one.mask for one in asked if one.prior is not None]
    if len(asked) < 2 or not masks:
        return None
    count = np.zeros(size, np.uint8)
    for mask in masks:
        count += mask
    return count


def _completeness(logits: np.ndarray, window: Window, size: tuple[int, int]) -> float:
    """Below 1 if a mask, logits (n, n), is cut off by its window where the image goes on."""
    right, bottom = window.left + window.side, window.top + window.side
    cut = (
        (window.left > 0 and (logits[:, 0] > 0).any())
        or (window.top > 0 and (logits[0] > 0).any())
        or (right < size[1] and (logits[:, -1] > 0).any())
        or (bottom < size[0] and (logits[-1] > 0).any())
    )
    return _CUT_OFF if cut else 1.0


def _agreement(logits: np.ndarray, window: Window, one: _Asked) -> float:
    """Below 1 if a mask, logits (n, n), leaves out points on the object or takes in points off it."""
    last = len(logits) - 1
    worth = 1.0
    for xy, wanted in ((one.on, True), (one.off, False)):
        x, y = np.clip(np.rint(window.to_window(xy, last + 1)).astype(int), 0, last).T
        worth *= _DISOBEYED ** np.count_nonzero((logits[y, x] > 0) != wanted)
    return worth
