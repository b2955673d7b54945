"""A segmenter and a point tracker that do all of their work, but return the ground truth of a synthetic scene.

They are for measuring speed without weights. A network takes as long with random weights as with trained ones, but with
its outputs SAM-PT would lose every object at once, and a lost object takes less time than a tracked one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from sampt_ros.data_types import POSITIVE, Frame, LocalMask
from sampt_ros.point_trackers.base import PointTracker, Tracks, inside
from sampt_ros.segmenters.base import Decoded, Prompts, Segmenter


class Truth(Protocol):
    """A scene whose objects are known in every frame, in a fixed order."""

    def masks(self, index: int) -> list[np.ndarray]:
        """The mask (H, W) bool of every object in frame `index`."""

    def centers(self, index: int) -> np.ndarray:
        """The centre of every object in frame `index`: (n, 2) float, xy in pixels."""


class OracleSegmenter(Segmenter[tuple[int, Any], Any]):
    """Runs another segmenter, but returns the true masks of the prompted objects.

    A prompt stands for the object whose centre is nearest to the mean of its positive points. All scores are 1. `truth`
    must be set before the first frame.
    """

    truth: Truth

    def __init__(self, segmenter: Segmenter[Any, Any]) -> None:
        self.remembers, self.at_once, self.asynchronous = segmenter.remembers, segmenter.at_once, segmenter.asynchronous
        self.adapts_detail = segmenter.adapts_detail
        self._segmenter = segmenter

    def encode(self, frame: Frame) -> tuple[int, Any]:
        return frame.index, self._segmenter.encode(frame)

    def decode(self, embedding: tuple[int, Any], prompts: Prompts[Any], ambiguous: bool = False) -> OracleDecoded:
        index, inner = embedding
        decoded = self._segmenter.decode(inner, prompts, ambiguous)
        return OracleDecoded(decoded, self.truth, index, prompts)

    def refine(self, embedding: tuple[int, Any], prompts: Prompts[Any], decoded: Decoded, passes: int) -> OracleDecoded:
        index, inner = embedding
        refined = self._segmenter.refine(inner, prompts, decoded.inner, passes)  # type: ignore[attr-defined]
        return OracleDecoded(refined, self.truth, index, prompts)

    def mask_prompt(self, embedding: tuple[int, Any], masks: Sequence[LocalMask | None]) -> Any:
        return self._segmenter.mask_prompt(embedding[1], masks)

    def describe(self, frame: Frame, embedding: tuple[int, Any]) -> np.ndarray:
        return self._segmenter.describe(frame, embedding[1])

    def economize(self) -> str:
        return self._segmenter.economize()

    def remember(self, embedding: tuple[int, Any], mask: LocalMask, memory: Any) -> Any:
        return self._segmenter.remember(embedding[1], mask, memory)


@dataclass(frozen=True, eq=False)
class OracleDecoded(Decoded):
    """The result of another segmenter; true masks are looked up only when masks are requested.

    If they were looked up earlier, that would count as time of the network.

    index    index of the frame; prompts: the decoded prompts
    """

    inner: Decoded
    truth: Truth
    index: int
    prompts: Prompts[Any]

    @property
    def logits(self) -> Any:
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
        """Masks (B, H, W) bool, overwritten by the true masks of the prompted objects."""
        truth, centers = self.truth.masks(self.index), self.truth.centers(self.index)
        for mask, xy, labels in zip(masks, self.prompts.xy, self.prompts.labels):
            mean = xy[labels == POSITIVE].mean(axis=0)
            mask[:] = truth[int(np.linalg.norm(centers - mean, axis=1).argmin())]
        return masks


class OracleTracker(PointTracker):
    """Runs another tracker, but returns points that move exactly with the objects.

    A point belongs to the object whose centre is nearest when it is added, and is visible while it is in the image.
    `truth` must be set before the first frame.
    """

    truth: Truth

    def __init__(self, tracker: PointTracker) -> None:
        self._tracker = tracker
        self.carries_masks = tracker.carries_masks
        # Point id -> index of its object, and the point's offset (x, y) from that object's centre, in pixels.
        self._anchors: dict[int, tuple[int, np.ndarray]] = {}

    def reset(self) -> None:
        self._anchors = {}
        self._tracker.reset()

    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        centers = self.truth.centers(frames[0].index)
        for point_id, position in zip(ids.tolist(), xy):
            nearest = int(np.linalg.norm(centers - position, axis=1).argmin())
            self._anchors[point_id] = nearest, position - centers[nearest]
        return self._true(self._tracker.add(ids, xy, frames), frames[-1])

    def remove(self, ids: np.ndarray) -> None:
        for point_id in ids.tolist():
            self._anchors.pop(point_id, None)
        self._tracker.remove(ids)

    def update(self, frame: Frame) -> Tracks:
        return self._true(self._tracker.update(frame), frame)

    def propagate_mask(self, mask: LocalMask, previous: Frame, current: Frame, among: int = 1) -> LocalMask | None:
        return self._tracker.propagate_mask(mask, previous, current, among)

    def _true(self, tracks: Tracks, frame: Frame) -> Tracks:
        """Tracks of the same points at their true positions in a frame."""
        if not len(tracks):
            return tracks
        centers = self.truth.centers(frame.index)
        anchors = [self._anchors[point_id] for point_id in tracks.id.tolist()]
        xy = np.array([centers[nearest] + offset for nearest, offset in anchors], np.float32)
        visible = inside(xy, frame)
        return Tracks(tracks.id, xy, visible, visible.astype(np.float32))
