"""The points of all objects: drawn from masks, carried by the tracker, counted or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, Points
from sampt_ros.point_trackers.base import PointTracker, Tracks
from sampt_ros.tracking.point_sampling import POINT_SELECTION
from sampt_ros.tracking.visibility import PatchFilter, away_from_border


class TrackedPoints:
    """Gives points their ids and keeps the tracker and the visibility filters in step."""

    def __init__(self, config: SamPtConfig, tracker: PointTracker) -> None:
        self.config = config
        self.tracker = tracker
        self.reset()

    def reset(self) -> None:
        """Forget all points; ids and the seed begin anew."""
        self._rng = np.random.default_rng(self.config.seed)
        self._last_id = 0
        self.forget_all()

    def forget_all(self) -> None:
        """Stop tracking all points; ids go on."""
        self._patches = PatchFilter()
        self.tracker.reset()

    def new(self, positive: np.ndarray, negative: np.ndarray) -> Points:
        """Points at pixel xy (n, 2) and (m, 2), with ids that no point had before."""
        count = len(positive) + len(negative)
        ids = np.arange(self._last_id + 1, self._last_id + 1 + count)
        self._last_id += count
        labels = np.repeat([POSITIVE, NEGATIVE], [len(positive), len(negative)])
        return Points.start(ids, np.concatenate([positive, negative]), labels)

    def draw(self, mask: np.ndarray, frame: Frame) -> Points:
        """Fresh points on and off a mask (H, W) bool of `frame`, as the configuration says."""
        wanted = self.config.points
        positive = POINT_SELECTION[wanted.positive_method](mask, wanted.positive, self._rng, frame.gray)
        negative = POINT_SELECTION[wanted.negative_method](~mask, wanted.negative, self._rng, frame.gray)
        return self.new(positive, negative)

    def follow(self, points: Points, frames: Sequence[Frame]) -> Points:
        """Begin to track points that lie on frames[0]; they are returned as they are on frames[-1], the newest."""
        self._patches.add(points.id, points.xy, frames[0])
        return self._counted(points, self.tracker.add(points.id, points.xy, frames), frames[-1])

    def forget(self, points: Points) -> None:
        """Stop tracking these points."""
        self.tracker.remove(points.id)
        self._patches.remove(points.id)

    def update(self, groups: Sequence[Points], frame: Frame) -> list[Points]:
        """Move all tracked points to the next frame, in one call; returned in the groups that they belong to."""
        tracks = self.tracker.update(frame)
        row = {point: row for row, point in enumerate(tracks.id.tolist())}
        rows = ([row[point] for point in points.id.tolist()] for points in groups)
        return [self._counted(points, tracks.at(np.array(own, int)), frame) for points, own in zip(groups, rows)]

    def _counted(self, points: Points, tracks: Tracks, frame: Frame) -> Points:
        """The points where the tracker has them; some do not count although the tracker sees them."""
        rule = self.config.visibility
        visible = tracks.visible & away_from_border(tracks.xy, frame.size, rule.border)
        if rule.patch_similarity:
            visible &= self._patches.difference(tracks.id, tracks.xy, frame) <= rule.patch_difference
        return points.moved(tracks.xy, visible, tracks.confidence)
