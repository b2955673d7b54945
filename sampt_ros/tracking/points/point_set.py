"""The points of all objects: sampled from masks, moved by the tracker, visible or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask, Points
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.point_trackers.base import PointTracker, Tracks
from sampt_ros.tracking.points.sampling import POINT_SELECTION
from sampt_ros.tracking.points.visibility import PatchFilter, away_from_border

MIN_PROPAGATED = 16  # A propagated mask of fewer pixels is dropped.


class TrackedPoints:
    """Assigns point ids, and keeps the tracker and the visibility filter consistent."""

    def __init__(self, config: SamPtConfig, tracker: PointTracker | None = None) -> None:
        """tracker: instead of the one that `config` names; raises what `build_point_tracker` raises."""
        self.config = config
        self.tracker = tracker or build_point_tracker(config)
        self.reset()

    def reset(self) -> None:
        """Forget all points; ids and the random generator are reset."""
        self._rng = np.random.default_rng(self.config.seed)
        self._last_id = 0
        self.forget_all()

    def forget_all(self) -> None:
        """Stop tracking all points; ids are not reused."""
        self._patches = PatchFilter()
        self.tracker.reset()

    def new(self, positive: np.ndarray, negative: np.ndarray) -> Points:
        """Visible points at pixel xy (n, 2) and (m, 2), with new ids."""
        count = len(positive) + len(negative)
        ids = np.arange(self._last_id + 1, self._last_id + 1 + count)
        self._last_id += count
        labels = np.repeat([POSITIVE, NEGATIVE], [len(positive), len(negative)])
        return Points.start(ids, np.concatenate([positive, negative]), labels)

    def draw(self, mask: LocalMask, frame: Frame) -> Points:
        """Sample points on and off a mask of `frame`, as configured."""
        config, on_object = self.config.points, mask.on_object.whole()
        positive = POINT_SELECTION[config.positive_method](on_object, config.positive, self._rng, frame.gray)
        negative = POINT_SELECTION[config.negative_method](~on_object, config.negative, self._rng, frame.gray)
        return self.new(positive, negative)

    def follow(self, points: Points, frames: Sequence[Frame]) -> Points:
        """Start tracking points of frames[0]; returns them as they are on frames[-1], the newest."""
        with self.forgotten_on_error(points):
            self._patches.add(points.id, points.xy, frames[0])
            return self._filtered(points, self.tracker.add(points.id, points.xy, frames), frames[-1])

    def forget(self, points: Points) -> None:
        """Stop tracking these points."""
        self.tracker.remove(points.id)
        self._patches.remove(points.id)

    @contextmanager
    def forgotten_on_error(self, points: Points) -> Iterator[None]:
        """Stop tracking these points if an error or an interrupt ends a block."""
        try:
            yield
        except BaseException:
            self.forget(points)
            raise

    def update(self, groups: Sequence[Points], frame: Frame) -> list[Points]:
        """Move all tracked points to the next frame in one call.

        groups: the points of each object, which are together all tracked points; returned in the same groups
        """
        tracks = self.tracker.update(frame)
        row_of = {point_id: row for row, point_id in enumerate(tracks.id.tolist())}
        rows = [np.array([row_of[point_id] for point_id in points.id.tolist()], int) for points in groups]
        return [self._filtered(points, tracks.at(own_rows), frame) for points, own_rows in zip(groups, rows)]

    def propagate_mask(self, mask: LocalMask, frames: Sequence[Frame], among: int = 1) -> LocalMask | None:
        """A mask of frames[0], one `among` so many, moved to frames[-1], or None if too little is left."""
        moved: LocalMask | None = mask
        for previous, current in pairwise(frames):
            if moved is not None:
                moved = self.tracker.propagate_mask(moved, previous, current, among)
        # If too little of a mask is left, only the points locate the object.
        return moved if moved is not None and moved.area >= MIN_PROPAGATED else None

    def _filtered(self, points: Points, tracks: Tracks, frame: Frame) -> Points:
        """The tracked points; some that the tracker calls visible are filtered out."""
        config = self.config.visibility
        visible = tracks.visible & away_from_border(tracks.xy, frame.size, config.border)
        if config.patch_similarity:
            visible &= self._patches.difference(tracks.id, tracks.xy, frame) <= config.patch_difference
        return points.moved(tracks.xy, visible, tracks.confidence)
