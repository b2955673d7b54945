"""Measures a point tracker alone, without a segmenter, on points with known positions.

Joints are marked by hand on the object of a DAVIS sequence, in some of its frames. Static points are on surfaces that
do not move, seen by a depth camera with known poses, from which their positions in later images follow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from sampt_ros.data_types import Frame
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.scores import Column, Score
from sampt_ros.io import rgbd_recording as rgbd
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.image_files import read_image
from sampt_ros.point_trackers.base import PointTracker, Tracks

POINT_TRACKS = "point_tracks.json"
ERROR_LIMITS = (0.1, 0.2)  # thresholds of the error, as a fraction of the square root of the object's area
COMPARED_AFTER = (8, 16)  # frames after which static points are compared

_START_EVERY = 8  # frames between the starts of grids of static points
_GRID = (20, 15)  # points across and down


class HasImage(Protocol):
    """Anything with an image (H, W, 3) uint8 RGB."""

    @property
    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""


SomeView = TypeVar("SomeView", bound=HasImage)


def follow_points(tracker: PointTracker, views: Iterable[SomeView]) -> Iterator[tuple[SomeView, Frame, Tracks]]:
    """Reset a tracker and feed it with views, which are read one by one.

    Yields each view, its frame, and the tracks of the points that were added in earlier frames.
    """
    tracker.reset()
    for index, view in enumerate(views):
        frame = Frame(index, view.image)
        yield view, frame, tracker.update(frame)


@dataclass(frozen=True, eq=False)
class JointTracks:
    """A sequence in which J joints are marked by hand in K of the frames.

    frames   (K,) int: indices of the frames, increasing
    xy       (K, J, 2) float64: (x, y) in pixels; undefined where a joint is not visible
    visible  (K, J) bool
    """

    sequence: AnnotatedSequence
    frames: np.ndarray
    xy: np.ndarray
    visible: np.ndarray

    @classmethod
    def read(cls, sequence: AnnotatedSequence, content: Any) -> JointTracks:
        """Read the sequence's entry in point_tracks.json; raises SourceError if it is malformed."""
        try:
            frames = np.array(content["frames"], int)
            xy = np.array(content["xy"], np.float64)
            visible = np.array(content["visible"], bool)
        except (KeyError, TypeError, ValueError):
            raise _bad_entry(sequence, "other entries or shapes") from None
        if frames.ndim != 1 or xy.shape != (*visible.shape, 2) or len(visible) != len(frames):
            raise _bad_entry(sequence, f"arrays of {frames.shape}, {xy.shape} and {visible.shape}")
        rising = len(frames) > 0 and frames[0] >= 0 and bool((np.diff(frames) > 0).all())
        if not rising or frames[-1] >= len(sequence.frames):
            raise _bad_entry(sequence, f"frames {frames.tolist()} of {len(sequence.frames)}")
        if not np.isfinite(xy[visible]).all():
            raise _bad_entry(sequence, "a visible joint without a place")
        return cls(sequence, frames, xy, visible)


def _bad_entry(sequence: AnnotatedSequence, came: str) -> SourceError:
    return SourceError(
        f"{POINT_TRACKS}: expected of {sequence.name!r} frames (K), rising, xy (K x J x 2) and visible (K x J); "
        f"got {came}"
    )


def joint_sequences(folder: Path, names: Sequence[str] = ()) -> list[JointTracks]:
    """The sequences of a folder in the DAVIS layout whose joints are in point_tracks.json, or those in `names`.

    Raises SourceError if the folder has another layout, a name does not exist, or an entry cannot be used.
    """
    path = folder / POINT_TRACKS
    if not path.is_file():
        raise SourceError(
            f"expected {POINT_TRACKS} beside JPEGImages/480p and Annotations/480p in {str(folder)!r} (DAVIS), "
            f"or {rgbd.LAYOUT} (RGB-D)"
        )
    try:
        content = json.loads(path.read_text())
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise SourceError(f"expected JSON in {path}; {error}") from None
    if not isinstance(content, dict) or not content:
        raise SourceError(f"expected an entry per sequence in {path}; got none")
    unknown = [name for name in names if name not in content]
    if unknown:
        raise SourceError(f"unknown sequences {', '.join(unknown)}; expected some of {', '.join(sorted(content))}")
    sequences = davis_sequences(folder, names or sorted(content))
    return [JointTracks.read(sequence, content[sequence.name]) for sequence in sequences]


@dataclass(frozen=True)
class JointScore(Score):
    """The accuracy on a sequence's joints, or the mean of several sequences.

    points   number of comparisons of a joint with its mark
    error    median distance from the mark, as a fraction of the square root of the object's area
    within   each of ERROR_LIMITS -> fraction of errors up to that limit, 0..1
    visible  fraction of points that the tracker called visible, 0..1; all of them are
    """

    columns = (
        Column("points", "points", "{}", "points", total=True),
        Column("error", "error", "{:.3f}", "error"),
        Column("within", "<={}", "{:.3f}", "within"),
        Column("visible", "visible", "{:.3f}", "visible"),
    )

    points: int
    error: float
    within: Mapping[float, float]
    visible: float

    @classmethod
    def of(cls, errors: np.ndarray, visible: np.ndarray) -> JointScore:
        """From errors (n,), fractions of the square root of the object's area, and visible (n,) bool, n >= 1."""
        within = {limit: float(np.mean(errors <= limit)) for limit in ERROR_LIMITS}
        return cls(len(errors), float(np.median(errors)), within, float(np.mean(visible)))


@dataclass(frozen=True, eq=False)
class _MarkedFrame:
    """A frame of a sequence with J joints: its image (H, W, 3) uint8 RGB, and its marks if there are any.

    index    of the frame in the sequence
    xy       (J, 2) float64 pixels
    visible  (J,) bool: which joints are marked
    """

    index: int
    image: np.ndarray
    xy: np.ndarray
    visible: np.ndarray

    @classmethod
    def read(cls, joints: JointTracks) -> Iterator[_MarkedFrame]:
        """The frames from the first marked one to the last, one by one."""
        grey = GreyRange()
        rows = {int(index): row for row, index in enumerate(joints.frames)}
        for index in range(joints.frames[0], joints.frames[-1] + 1):
            image, row = read_image(joints.sequence.frames[index], grey), rows.get(index)
            if row is None:
                yield cls(index, image, np.zeros_like(joints.xy[0]), np.zeros_like(joints.visible[0]))
            else:
                yield cls(index, image, joints.xy[row], joints.visible[row])


def evaluate_joints(tracker: PointTracker, joints: JointTracks) -> JointScore:
    """Track every joint from the first marked frame in which it is visible, and compare it with its later marks.

    Only marks of visible joints count, including those where the tracker calls the point invisible.

    Raises SourceError for a file that cannot be read, an object without a mask, and if there is nothing to compare.
    """
    started = np.zeros(joints.visible.shape[1], bool)
    errors: list[np.ndarray] = []
    visible: list[np.ndarray] = []
    for marks, frame, tracks in follow_points(tracker, _MarkedFrame.read(joints)):
        compared = np.flatnonzero(marks.visible & started)
        if len(compared):
            found = _tracks_of(tracks, compared)
            distances = np.linalg.norm(found.xy - marks.xy[compared], axis=1)
            errors.append(distances / _object_size(joints.sequence, marks.index))
            visible.append(found.visible)
        new = np.flatnonzero(marks.visible & ~started)
        if len(new):
            tracker.add(new.astype(np.uint32), marks.xy[new].astype(np.float32), [frame])
            started[new] = True
    if not errors:
        name = joints.sequence.name
        raise SourceError(f"{POINT_TRACKS}: expected of {name!r} a joint visible in two frames; got none")
    return JointScore.of(np.concatenate(errors), np.concatenate(visible))


def _object_size(sequence: AnnotatedSequence, index: int) -> float:
    """The square root of the area of all objects in a frame, in pixels; SourceError if there is no object."""
    area = sum(np.count_nonzero(mask) for mask in sequence.truth(index).masks.values())
    if area == 0:
        raise SourceError(f"expected an object in {sequence.annotations[index]}; the mask is empty")
    return float(np.sqrt(area))


def _tracks_of(tracks: Tracks, ids: np.ndarray) -> Tracks:
    """The tracks with these ids, in this order."""
    order = np.argsort(tracks.id)
    return tracks.at(order[np.searchsorted(tracks.id, ids, sorter=order)])


@dataclass(frozen=True)
class StaticScore(Score):
    """The accuracy on static points after a number of frames.

    frames   number of frames
    points   number of points that were in view and not occluded by then
    moved    median distance from the start, pixels: the error of a tracker that does nothing
    error    median distance from the true position, pixels
    visible  fraction of points that the tracker called visible, 0..1; all of them are
    """

    columns = (
        Column("frames", "frames", "{}", "frames"),
        Column("points", "points", "{}", "points"),
        Column("moved", "moved px", "{:.2f}", "moved_px"),
        Column("error", "error px", "{:.2f}", "error_px"),
        Column("visible", "visible", "{:.3f}", "visible"),
    )

    frames: int
    points: int
    moved: float
    error: float
    visible: float


@dataclass(frozen=True, eq=False)
class _StaticPoints:
    """Points that started in one view.

    ids    (n,) uint32
    xy     (n, 2) float32: (x, y) in pixels, in that view
    world  (n, 3) float64: where they are in the world, metres
    """

    ids: np.ndarray
    xy: np.ndarray
    world: np.ndarray

    @classmethod
    def of(cls, view: rgbd.View, first_id: int) -> _StaticPoints:
        """A grid over the image, without points of unknown world position."""
        across, down = (
            np.unique(((np.arange(count) + 0.5) * side / count).astype(int))
            for count, side in zip(_GRID, (view.camera.width, view.camera.height))
        )
        xy = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
        world = view.world(xy)
        known = np.isfinite(world).all(axis=1)
        ids = first_id + np.arange(np.count_nonzero(known))
        return cls(ids.astype(np.uint32), xy[known].astype(np.float32), world[known])

    def compared(self, tracks: Tracks, view: rgbd.View) -> np.ndarray:
        """Compare tracks with the true positions of the points that are visible in a later view.

        Returns (m, 3) float64, one row per visible point: distance from its start in pixels, distance of the track from
        the true position in pixels, and 1 if the tracker calls it visible, otherwise 0.
        """
        true, seen = view.project(self.world)
        found = _tracks_of(tracks, self.ids[seen])
        moved = np.linalg.norm(true[seen] - self.xy[seen], axis=1)
        error = np.linalg.norm(found.xy - true[seen], axis=1)
        return np.column_stack([moved, error, found.visible])


def evaluate_static_points(tracker: PointTracker, views: Iterable[rgbd.View]) -> list[StaticScore]:
    """Track a grid of points from every 8th view, and compare them with their later positions by depth and pose.

    Returns a score for each of COMPARED_AFTER. Points that are out of view or occluded by then do not count; those that
    the tracker calls invisible do.

    Raises SourceError if there is no point to compare.
    """
    started: dict[int, _StaticPoints] = {}  # by the index of the view in which they started
    compared: dict[int, list[np.ndarray]] = {frames: [np.zeros((0, 3))] for frames in COMPARED_AFTER}
    next_id = 0
    for view, frame, tracks in follow_points(tracker, views):
        for start, points in list(started.items()):
            age = frame.index - start
            if age in COMPARED_AFTER:
                compared[age].append(points.compared(tracks, view))
            if age == max(COMPARED_AFTER):
                tracker.remove(points.ids)
                del started[start]
        if frame.index % _START_EVERY == 0:
            points = _StaticPoints.of(view, next_id)
            if len(points.ids):
                tracker.add(points.ids, points.xy, [frame])
                started[frame.index] = points
                next_id += len(points.ids)
    return [_static_score(frames, np.concatenate(rows)) for frames, rows in compared.items()]


def _static_score(frames: int, compared: np.ndarray) -> StaticScore:
    """The score of rows of `_StaticPoints.compared` after `frames` frames; raises SourceError if there are none."""
    if len(compared) == 0:
        raise SourceError(
            f"expected points of known depth and pose that are seen {frames} frames later too; the recording has none"
        )
    moved, error = np.median(compared[:, :2], axis=0)
    return StaticScore(frames, len(compared), float(moved), float(error), float(compared[:, 2].mean()))
