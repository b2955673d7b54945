"""A segmenter and a tracker that do all of their work and then answer with the truth of a made-up scene.

With random weights a network takes the time that it takes with any others, but its answers would end the tracking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from sampt_ros.point_trackers.base import PointTracker, Tracks, inside
from sampt_ros.segmenters.base import Decoded, Prompts, Segmenter
from sampt_ros.structures import POSITIVE, Frame


class Truth(Protocol):
    """A scene of objects that keep their order."""

    def masks(self, index: int) -> list[np.ndarray]:
        """The mask (H, W) bool of every object in frame `index`."""

    def centers(self, index: int) -> np.ndarray:
        """(n, 2) xy pixels of every object in frame `index`."""


class OracleSegmenter(Segmenter):
    """What another segmenter does; the masks are then those of the objects that the prompts are on, and surely so."""

    truth: Truth  # to be set before the first frame

    def __init__(self, segmenter: Segmenter) -> None:
        self.remembers, self.at_once, self.beside = segmenter.remembers, segmenter.at_once, segmenter.beside
        self._segmenter = segmenter

    def encode(self, frame: Frame) -> tuple[int, Any]:
        return frame.index, self._segmenter.encode(frame)

    def decode(self, embedding: tuple[int, Any], prompts: Prompts, ambiguous: bool = False) -> OracleDecoded:
        index, inner = embedding
        decoded = self._segmenter.decode(inner, prompts, ambiguous)
        return OracleDecoded(decoded, self.truth, index, prompts)

    def refine(self, embedding: tuple[int, Any], prompts: Prompts, decoded: Decoded, passes: int) -> OracleDecoded:
        index, inner = embedding
        refined = self._segmenter.refine(inner, prompts, decoded.inner, passes)  # type: ignore[attr-defined]
        return OracleDecoded(refined, self.truth, index, prompts)

    def mask_prompt(self, embedding: tuple[int, Any], masks: Sequence[np.ndarray | None]) -> Any:
        return self._segmenter.mask_prompt(embedding[1], masks)

    def describe(self, frame: Frame, embedding: tuple[int, Any]) -> np.ndarray:
        return self._segmenter.describe(frame, embedding[1])

    def economize(self) -> str:
        return self._segmenter.economize()

    def remember(self, embedding: tuple[int, Any], mask: np.ndarray, memory: Any) -> Any:
        return self._segmenter.remember(embedding[1], mask, memory)


@dataclass(frozen=True, eq=False)
class OracleDecoded(Decoded):
    """What was decoded of objects; the truth is only looked up when masks are asked for, to cost no time before."""

    inner: Decoded
    truth: Truth
    index: int
    prompts: Prompts

    @property
    def logits(self) -> Any:  # type: ignore[override]
        return self.inner.logits

    def logits_of(self, rows: Sequence[int]) -> Any:
        return self.inner.logits_of(rows)

    def boxes(self) -> Any:
        return self.inner.boxes()

    def masks(self) -> np.ndarray:
        return self._true(self.inner.masks())

    def scores(self) -> np.ndarray:
        return np.ones_like(self.inner.scores())

    def results(self) -> tuple[np.ndarray, np.ndarray]:
        masks, scores = self.inner.results()
        return self._true(masks), np.ones_like(scores)

    def updated(self, rows: Sequence[int], other: Decoded) -> OracleDecoded:
        return replace(self, inner=self.inner.updated(rows, other.inner))  # type: ignore[attr-defined]

    def _true(self, masks: np.ndarray) -> np.ndarray:
        """Masks (B, H, W) bool, now those of the objects that the prompts are on."""
        truth, centers = self.truth.masks(self.index), self.truth.centers(self.index)
        for mask, xy, labels in zip(masks, self.prompts.xy, self.prompts.labels):
            middle = xy[labels == POSITIVE].mean(axis=0)
            mask[:] = truth[int(np.linalg.norm(centers - middle, axis=1).argmin())]
        return masks


class OracleTracker(PointTracker):
    """What another tracker does; its points then stay where they were on the nearest object, and are visible."""

    truth: Truth  # to be set before the first frame

    def __init__(self, tracker: PointTracker) -> None:
        self._tracker = tracker
        self._places: dict[int, tuple[int, np.ndarray]] = {}  # of a point: its object, and xy from that one's centre

    def reset(self) -> None:
        self._places = {}
        self._tracker.reset()

    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        centers = self.truth.centers(frames[0].index)
        for point, place in zip(ids.tolist(), xy):
            nearest = int(np.linalg.norm(centers - place, axis=1).argmin())
            self._places[point] = nearest, place - centers[nearest]
        return self._true(self._tracker.add(ids, xy, frames), frames[-1])

    def remove(self, ids: np.ndarray) -> None:
        for point in ids.tolist():
            self._places.pop(point, None)
        self._tracker.remove(ids)

    def update(self, frame: Frame) -> Tracks:
        return self._true(self._tracker.update(frame), frame)

    def carry(self, mask: np.ndarray, previous: Frame, current: Frame) -> np.ndarray | None:
        return self._tracker.carry(mask, previous, current)

    def _true(self, tracks: Tracks, frame: Frame) -> Tracks:
        if not len(tracks):
            return tracks
        centers = self.truth.centers(frame.index)
        places = [self._places[point] for point in tracks.id.tolist()]
        xy = np.array([centers[item] + offset for item, offset in places], np.float32)
        visible = inside(xy, frame)
        return Tracks(tracks.id, xy, visible, visible.astype(np.float32))
