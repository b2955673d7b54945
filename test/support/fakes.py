"""A tracker, a segmenter and a SamPt that do exactly what a test tells them to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sampt_ros.data_types import POSITIVE, Frame, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError
from sampt_ros.mask_propagators.base import MaskPropagator, PropagatedMask
from sampt_ros.point_trackers.base import PointTracker, Tracks
from sampt_ros.segmenters.base import MaskDecoded, Prompts, Segmenter

SIDE = 9  # of the squares that SquareSegmenter finds


def blank(height: int = 48, width: int = 64) -> np.ndarray:
    """A black image (height, width, 3) uint8."""
    return np.zeros((height, width, 3), np.uint8)


class DriftingTracker(PointTracker):
    """Every point moves by `drift` (x, y) a frame; those with an id in `hidden`, or all if `blind`, are not visible."""

    carries_masks = True

    def __init__(self, drift: tuple[float, float] = (1, 0)) -> None:
        self.drift = np.array(drift, np.float32)
        self.hidden: set[int] = set()
        self.blind = False
        self.reset()

    def reset(self) -> None:
        self._tracks = Tracks.start(np.zeros(0), np.zeros((0, 2)))

    @property
    def ids(self) -> list[int]:
        return self._tracks.id.tolist()

    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        tracks = Tracks.start(ids, xy + self.drift * (len(frames) - 1))
        self._tracks = self._tracks + tracks
        return tracks

    def remove(self, ids: np.ndarray) -> None:
        self._tracks = self._tracks.at(~np.isin(self._tracks.id, ids))

    def update(self, frame: Frame) -> Tracks:
        visible = ~np.isin(self._tracks.id, list(self.hidden)) & (not self.blind)
        self._tracks = replace(self._tracks, xy=self._tracks.xy + self.drift, visible=visible)
        return self._tracks

    def propagate_mask(self, mask: LocalMask, previous: Frame, current: Frame, among: int = 1) -> LocalMask:
        x, y = self.drift.astype(int)
        return LocalMask.of(np.roll(mask.whole(), (y, x), (0, 1)))


@dataclass(eq=False)
class SquareSegmenter(Segmenter):
    """Finds a square around the mean of each object's positive points (or the middle of its box).

    rate    its score, from that (x, y)
    paint   whether there is anything to find
    side    of the square, pixels
    passes  every decode call: its prompts, and whether it was ambiguous
    encoded the frames it encoded
    """

    rate: Callable[[np.ndarray], float] = lambda xy: 1.0
    paint: bool = True
    side: int = SIDE
    passes: list[tuple[Prompts, bool]] = field(default_factory=list)
    encoded: list[Frame] = field(default_factory=list)

    def encode(self, frame: Frame) -> Frame:
        self.encoded.append(frame)
        return frame

    def decode(self, embedding: Frame, prompts: Prompts, ambiguous: bool = False) -> MaskDecoded:
        self.passes.append((prompts, ambiguous))
        logits = np.full((len(prompts), *embedding.size), -1, np.float32)
        scores = np.zeros(len(prompts), np.float32)
        for row, (xy, labels) in enumerate(zip(prompts.xy, prompts.labels)):
            inside = xy[labels == POSITIVE] if (labels == POSITIVE).any() else prompts.boxes[row].reshape(2, 2)
            middle = inside.mean(axis=0)
            left, top = np.maximum(np.rint(middle).astype(int) - self.side // 2, 0)
            if self.paint:
                logits[row, top : top + self.side, left : left + self.side] = 1
            scores[row] = self.rate(middle)
        return MaskDecoded(logits, scores)

    def mask_prompt(self, embedding: Frame, masks: Sequence[LocalMask | None]) -> np.ndarray:
        missing = np.full(embedding.size, np.nan, np.float32)
        return np.stack([missing if mask is None else 2 * mask.whole().astype(np.float32) - 1 for mask in masks])


class RollingPropagator(MaskPropagator):
    """Every mask moves by `drift` (x, y) a frame, and is as sure as `certainty` says.

    calls  what it was asked for: ("start", id, pixels of the mask), ("remove", id)
    """

    def __init__(self, drift: tuple[int, int] = (1, 0), certainty: float = 1.0) -> None:
        self.drift, self.certainty = drift, certainty
        self.calls: list[tuple[object, ...]] = []
        self.reset()

    def reset(self) -> None:
        self.masks: dict[int, np.ndarray] = {}

    def start(self, object_id: int, mask: np.ndarray, frame: Frame) -> None:
        self.calls.append(("start", object_id, int(mask.sum())))
        self.masks[object_id] = mask.astype(np.float32)

    def remove(self, object_id: int) -> None:
        self.calls.append(("remove", object_id))
        self.masks.pop(object_id, None)

    def update(self, frame: Frame) -> dict[int, PropagatedMask]:
        x, y = self.drift
        self.masks = {number: np.roll(mask, (y, x), (0, 1)) for number, mask in self.masks.items()}
        return {number: PropagatedMask(mask, self.certainty) for number, mask in self.masks.items()}

    def sibling(self) -> RollingPropagator:
        return RollingPropagator(self.drift, self.certainty)


class Scripted:
    """A SamPt that answers each query with the next of some masks, or a QueryError for None; scores are 1."""

    def __init__(self, *masks):
        self._masks = iter(masks)
        self.object_ids = []
        self.queries = []

    def reset(self):
        self.object_ids = []

    def step(self, image):
        pass

    def add_object(self, points, labels, object_id):
        self.queries.append(("new", points[:], labels[:]))
        return self._answer(object_id)

    def add_points(self, object_id, points, labels):
        self.queries.append(("more", points[:], labels[:]))
        return self._answer(object_id)

    def _answer(self, object_id):
        mask = next(self._masks)
        if mask is None:
            raise QueryError("expected prompts on an object")
        self.object_ids = [object_id]
        return ObjectResult(object_id, ObjectState.TRACKING, 1.0, LocalMask.of(mask), Points.none())
