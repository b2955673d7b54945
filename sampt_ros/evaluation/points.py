"""How good the points are: a tracker alone, without a segmenter, against points whose way is known.

Joints are marked by hand on the object of a DAVIS sequence, in some of its frames. Static points are those that a depth
camera saw and whose way through the image follows from its poses.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from sampt_ros.data_types import Frame
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.davis import AnnotatedSequence, Annotation, davis_sequences
from sampt_ros.io import rgbd_recording as rgbd
from sampt_ros.io.video import read_image
from sampt_ros.point_trackers.base import PointTracker, Tracks

POINT_TRACKS = "point_tracks.json"
WITHIN = (0.1, 0.2)  # of the square root of the object's area: errors up to there are counted
LATER = (8, 16)  # frames after which static points are looked at

_EVERY = 8  # frames from which static points start
_GRID = (20, 15)  # of them, across and down


@dataclass(frozen=True, eq=False)
class JointTracks:
    """A sequence in which J joints are marked in K of the frames.

    frames   (K,) int, indices of frames, rising
    xy       (K, J, 2) float64 pixels; of no meaning where not visible
    visible  (K, J) bool
    """

    sequence: AnnotatedSequence
    frames: np.ndarray
    xy: np.ndarray
    visible: np.ndarray

    @classmethod
    def read(cls, sequence: AnnotatedSequence, content: Any) -> JointTracks:
        """A sequence's entry of point_tracks.json; raises SourceError if it is not one."""
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
    """The sequences of a folder in the DAVIS layout that point_tracks.json has joints of, or those in `names`.

    Raises SourceError if the folder is not so laid out, a name is not there, or an entry cannot be used.
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
class JointScore:
    """How well a sequence's joints were followed, or the mean of some sequences.

    points   how often a joint was compared with its mark
    error    median, as a share of the square root of the object's area
    within   shares with an error up to each of WITHIN
    visible  share that the tracker called visible; all of them are
    """

    points: int
    error: float
    within: tuple[float, ...]
    visible: float

    @classmethod
    def of(cls, errors: np.ndarray, visible: np.ndarray) -> JointScore:
        """From errors (n,), shares of the square root of the object's area, and visible (n,) bool; n >= 1."""
        within = tuple(float(np.mean(errors <= limit)) for limit in WITHIN)
        return cls(len(errors), float(np.median(errors)), within, float(np.mean(visible)))

    @classmethod
    def mean(cls, scores: Sequence[JointScore]) -> JointScore:
        """The mean of at least one score, each of the same weight; all points."""
        return cls(
            sum(score.points for score in scores),
            fmean(score.error for score in scores),
            tuple(fmean(column) for column in zip(*(score.within for score in scores))),
            fmean(score.visible for score in scores),
        )

    @staticmethod
    def head() -> str:
        """The line above the rows."""
        return "points  error" + "".join(f"  {f'<={limit:g}':>5}" for limit in WITHIN) + "  visible"

    def row(self) -> str:
        """The score as a row of a table."""
        within = "".join(f"  {share:.3f}" for share in self.within)
        return f"{self.points:6}  {self.error:.3f}{within}  {self.visible:7.3f}"

    def fields(self) -> dict[str, Any]:
        """The score as JSON takes it."""
        within = {f"{limit:g}": share for limit, share in zip(WITHIN, self.within)}
        return {"points": self.points, "error": self.error, "within": within, "visible": self.visible}


def evaluate_joints(tracker: PointTracker, joints: JointTracks) -> JointScore:
    """Track every joint from the first marked frame in which it is visible, and compare it with its later marks.

    Marks of joints that are not visible do not count; those that the tracker believes invisible do.

    Raises SourceError for a file that cannot be read, an object without a mask, and where there is nothing to compare.
    """
    tracker.reset()
    started = np.zeros(joints.visible.shape[1], bool)
    errors, visible = [np.zeros(0)], [np.zeros(0, bool)]
    rows = {int(index): row for row, index in enumerate(joints.frames)}
    first, last = joints.frames[0], joints.frames[-1]
    for index in range(first, last + 1):
        frame = Frame(index - first, read_image(joints.sequence.frames[index]))
        tracks = tracker.update(frame)
        if index not in rows:
            continue
        marked, xy = joints.visible[rows[index]], joints.xy[rows[index]]
        compared = np.flatnonzero(marked & started)
        if len(compared):
            found = _tracks_of(tracks, compared)
            errors.append(np.linalg.norm(found.xy - xy[compared], axis=1) / _object_size(joints.sequence, index))
            visible.append(found.visible)
        new = np.flatnonzero(marked & ~started)
        if len(new):
            tracker.add(new.astype(np.uint32), xy[new].astype(np.float32), [frame])
            started[new] = True
    if len(errors) == 1:
        name = joints.sequence.name
        raise SourceError(f"{POINT_TRACKS}: expected of {name!r} a joint visible in two frames; got none")
    return JointScore.of(np.concatenate(errors), np.concatenate(visible))


def _object_size(sequence: AnnotatedSequence, index: int) -> float:
    """The square root of the area of all objects of a frame, pixels."""
    path = sequence.annotations[index]
    area = sum(np.count_nonzero(mask) for mask in Annotation.read(path).masks.values())
    if area == 0:
        raise SourceError(f"expected an object in {path}; the mask is empty")
    return float(np.sqrt(area))


def _tracks_of(tracks: Tracks, ids: np.ndarray) -> Tracks:
    """The tracks with these ids, in this order."""
    order = np.argsort(tracks.id)
    return tracks.at(order[np.searchsorted(tracks.id, ids, sorter=order)])


@dataclass(frozen=True)
class StaticScore:
    """How well static points were followed for some frames.

    frames   how many
    points   that were in view and not occluded after them
    moved    median way from where they started, pixels: the error of a tracker that does nothing
    error    median, pixels
    visible  share that the tracker called visible; all of them are
    """

    frames: int
    points: int
    moved: float
    error: float
    visible: float

    @staticmethod
    def head() -> str:
        """The line above the rows."""
        return "frames  points  moved px  error px  visible"

    def row(self) -> str:
        """The score as a row of a table."""
        return f"{self.frames:6}  {self.points:6}  {self.moved:8.2f}  {self.error:8.2f}  {self.visible:7.3f}"

    def fields(self) -> dict[str, Any]:
        """The score as JSON takes it."""
        return {
            "frames": self.frames,
            "points": self.points,
            "moved_px": self.moved,
            "error_px": self.error,
            "visible": self.visible,
        }


@dataclass(frozen=True, eq=False)
class _StaticPoints:
    """Points that started in one view: ids (n,) uint32, xy (n, 2) float32 pixels there, world (n, 3) metres."""

    ids: np.ndarray
    xy: np.ndarray
    world: np.ndarray

    @classmethod
    def of(cls, view: rgbd.View, first_id: int) -> _StaticPoints:
        """A grid over the image, without the points that the view does not know the place of."""
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
        """(m, 3) float64, of the points seen in a later view: way moved and error, pixels, and 1 if called visible."""
        true, seen = view.see(self.world)
        found = _tracks_of(tracks, self.ids[seen])
        moved = np.linalg.norm(true[seen] - self.xy[seen], axis=1)
        error = np.linalg.norm(found.xy - true[seen], axis=1)
        return np.column_stack([moved, error, found.visible])


def evaluate_static_points(tracker: PointTracker, views: Iterable[rgbd.View]) -> list[StaticScore]:
    """Track a grid of points from every 8th view, and compare them with where depth and pose say they are later.

    Returns a score for each of LATER. Points out of view or occluded by then do not count; those that the tracker
    believes invisible do. Raises SourceError where there is none to compare.
    """
    tracker.reset()
    under_way: dict[int, _StaticPoints] = {}
    compared: dict[int, list[np.ndarray]] = {frames: [np.zeros((0, 3))] for frames in LATER}
    next_id = 0
    for index, view in enumerate(views):
        frame = Frame(index, view.image)
        tracks = tracker.update(frame)
        for start, points in list(under_way.items()):
            if index - start in LATER:
                compared[index - start].append(points.compared(tracks, view))
            if index - start == max(LATER):
                tracker.remove(points.ids)
                del under_way[start]
        if index % _EVERY == 0:
            points = _StaticPoints.of(view, next_id)
            if len(points.ids):
                tracker.add(points.ids, points.xy, [frame])
                under_way[index] = points
                next_id += len(points.ids)
    return [_static_score(frames, np.concatenate(rows)) for frames, rows in compared.items()]


def _static_score(frames: int, compared: np.ndarray) -> StaticScore:
    if len(compared) == 0:
        raise SourceError(
            f"expected points of known depth and pose that are seen {frames} frames later too; the recording has none"
        )
    moved, error = np.median(compared[:, :2], axis=0)
    return StaticScore(frames, len(compared), float(moved), float(error), float(compared[:, 2].mean()))
