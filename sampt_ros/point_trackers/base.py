"""What a point tracker is: it follows points, known by id, from frame to frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Generic, TypeVar

import cv2
import numpy as np

from sampt_ros.data_types import Frame, LocalMask

_MIN_FOR_SIMILARITY = 4  # Of fewer points the common motion is a translation.
_REPROJECTION_ERROR = 3.0  # Pixels that a point may be off the common motion to agree with it.


@dataclass(frozen=True, eq=False)
class Tracks:
    """Where N points are in one frame.

    id          (N,) uint32
    xy          (N, 2) float32, pixels; outside the image where the point left it
    visible     (N,) bool
    confidence  (N,) float32, 0..1
    """

    id: np.ndarray
    xy: np.ndarray
    visible: np.ndarray
    confidence: np.ndarray

    @classmethod
    def start(cls, ids: np.ndarray, xy: np.ndarray) -> Tracks:
        """Points on the frame they were queried in."""
        n = len(ids)
        return cls(
            np.asarray(ids, np.uint32).reshape(n),
            np.asarray(xy, np.float32).reshape(n, 2),
            np.ones(n, bool),
            np.ones(n, np.float32),
        )

    def __len__(self) -> int:
        return len(self.id)

    def __add__(self, other: Tracks) -> Tracks:
        pairs = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Tracks(*(np.concatenate(pair) for pair in pairs))

    def at(self, rows: np.ndarray) -> Tracks:
        """Some of the points: rows (n,) int, or (N,) bool."""
        return Tracks(self.id[rows], self.xy[rows], self.visible[rows], self.confidence[rows])


class PointTracker(ABC):
    """Follows points through a stream of frames; all points of all objects move in one call.

    carries_masks  whether `propagate_mask` moves masks
    concurrent     whether `propagate_mask` may be called in several threads at once, also while one is in `update`
    """

    carries_masks = False
    concurrent = False

    @abstractmethod
    def reset(self) -> None:
        """Forget all points and frames."""

    @abstractmethod
    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        """Start points on frames[0] and bring them to frames[-1], the frame of the latest update.

        ids (n,) uint32, new to this tracker; xy (n, 2) float32 pixels. Returns the new points on frames[-1].
        """

    @abstractmethod
    def remove(self, ids: np.ndarray) -> None:
        """Forget these points; unknown ids are ignored."""

    @abstractmethod
    def update(self, frame: Frame) -> Tracks:
        """Move every point to `frame`, the next of the stream."""

    def propagate_mask(self, mask: LocalMask, previous: Frame, current: Frame, among: int = 1) -> LocalMask | None:
        """Move a mask from one frame to the next by the motion inside it; None if this tracker cannot.

        mask   on `previous`; returned on `current`, nearer to 0.5 where it is less sure; both are bool or float32
        among  how many masks are moved between these frames: of many, each may take less time
        """
        return None


class FrameToFrameTracker(PointTracker):
    """A tracker that needs nothing but the previous frame; a method implements `move`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._previous: Frame | None = None
        self._tracks = Tracks.start(np.zeros(0), np.zeros((0, 2)))

    @abstractmethod
    def move(self, xy: np.ndarray, previous: Frame, current: Frame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points (n, 2) float32, n >= 1, of `previous` on `current`: xy, visible, confidence as in Tracks."""

    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        tracks = Tracks.start(ids, xy)
        for previous, current in pairwise(frames):
            tracks = self._moved(tracks, previous, current)
        self._previous = frames[-1]
        self._tracks = self._tracks + tracks
        return tracks

    def remove(self, ids: np.ndarray) -> None:
        self._tracks = self._tracks.at(~np.isin(self._tracks.id, ids))

    def update(self, frame: Frame) -> Tracks:
        if self._previous is not None:
            self._tracks = self._moved(self._tracks, self._previous, frame)
        self._previous = frame
        return self._tracks

    def _moved(self, tracks: Tracks, previous: Frame, current: Frame) -> Tracks:
        if len(tracks) == 0:
            return tracks
        return Tracks(tracks.id, *self.move(tracks.xy, previous, current))


@dataclass(frozen=True, eq=False)
class PointGroup:
    """Points that were added together.

    tracks  those that are left, in the newest frame
    rows    (n,) int, which of the group's they are
    """

    tracks: Tracks
    rows: np.ndarray

    def at(self: Group, rows: np.ndarray) -> Group:
        """Some of the points, rows (n,) int; what the group shares stays."""
        return replace(self, tracks=self.tracks.at(rows), rows=self.rows[rows])


Group = TypeVar("Group", bound=PointGroup)


class GroupTracker(PointTracker, Generic[Group]):
    """A tracker that follows points together that were added together; a method implements `add` and `follow`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._groups: list[Group] = []

    @abstractmethod
    def follow(self, groups: Sequence[Group], frame: Frame) -> list[Group]:
        """At least one group, brought to `frame`, the next of the stream."""

    def remove(self, ids: np.ndarray) -> None:
        # What a group shares is that of a removed point too, so that the others' ways do not change.
        kept = (group.at(np.flatnonzero(~np.isin(group.tracks.id, ids))) for group in self._groups)
        self._groups = [group for group in kept if len(group.tracks)]

    def update(self, frame: Frame) -> Tracks:
        if self._groups:
            self._groups = self.follow(self._groups, frame)
        return reduce(add, (group.tracks for group in self._groups), Tracks.start(np.zeros(0), np.zeros((0, 2))))


def moved_by_points(mask: np.ndarray, start: np.ndarray, moved: np.ndarray) -> np.ndarray | None:
    """A mask (H, W) float32 moved as most points agree that were at `start` and are at `moved`; None if they do not.

    start, moved: (n, 2) float32 pixel xy, n >= 1. Of few points the motion is a translation, of more a similarity
    transform.
    """
    if len(start) < _MIN_FOR_SIMILARITY:
        shift = np.median(moved - start, axis=0)
        motion = np.array([(1, 0, shift[0]), (0, 1, shift[1])], np.float32)
    else:
        cv2.setRNGSeed(0)  # RANSAC draws from OpenCV's global generator.
        motion, _ = cv2.estimateAffinePartial2D(
            start, moved, method=cv2.RANSAC, ransacReprojThreshold=_REPROJECTION_ERROR
        )
    if motion is None:
        return None
    propagated: np.ndarray = cv2.warpAffine(mask, motion, mask.shape[::-1])
    return propagated


def inside(xy: np.ndarray, frame: Frame) -> np.ndarray:
    """(n,) bool: which points (n, 2) lie in the frame's image."""
    height, width = frame.size
    is_inside: np.ndarray = np.all((xy >= -0.5) & (xy < [width - 0.5, height - 0.5]), axis=1)
    return is_inside


def round_trip_visibility(
    start: np.ndarray, moved: np.ndarray, back: np.ndarray, max_error: float
) -> tuple[np.ndarray, np.ndarray]:
    """Visible and confidence from the forward-backward error (Kalal et al., 2010).

    start, moved, back  (n, 2) float32 pixels: where points were, where they went, and where the way back leads
    max_error           pixels that a visible point may be off after the way back; a fast point may be off by a
                        twentieth of its step more

    Returns visible (n,) bool and confidence (n,) float32 0..1.
    """
    error = np.linalg.norm(back - start, axis=1)
    allowed = max_error + 0.05 * np.linalg.norm(moved - start, axis=1)
    visible: np.ndarray = error <= allowed
    return visible, np.exp2(-error / allowed).astype(np.float32)
