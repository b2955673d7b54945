"""Scores of masks: per frame, object, sequence and benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar, TypeVar

from sampt_ros.evaluation.layouts.youtube_vos import SEEN, UNSEEN
from sampt_ros.evaluation.metrics import IN_TIME, OFF_OBJECT, ON_OBJECT, score_correlation
from sampt_ros.evaluation.scores import Column, Score

SomeMaskScore = TypeVar("SomeMaskScore", bound="MaskScore")
_AWAY = 5  # frames without an object in sight after which it comes back, rather than flickers


@dataclass(frozen=True)
class ObjectRecord:
    """One object in one scored frame.

    j         region similarity with the true mask, 0..1
    f         boundary accuracy, 0..1
    has_mask  whether its state is one with a mask, TRACKING or REACQUIRED
    score     the predicted IoU published with the mask, 0..1
    visible   whether anything of it is to be seen, by the true mask
    """

    j: float
    f: float
    has_mask: bool
    score: float
    visible: bool = True


@dataclass(frozen=True)
class ObjectScore:
    """The score of one object: means over the frames in which it is scored.

    j      region similarity, 0..1
    f      boundary accuracy, 0..1
    false  fraction of frames, 0..1, in which a published mask is on something else (J < 0.1)
    split  the set of objects that it belongs to, such as "seen"; empty if there are no such sets
    returns  for every time that it comes back into sight, whether it is found in time: see `found_returns`
    """

    j: float
    f: float
    false: float
    split: str = ""
    returns: tuple[bool, ...] = ()

    @classmethod
    def of(cls, records: Sequence[ObjectRecord], split: str = "") -> ObjectScore:
        """From the object's records in all scored frames, at least one."""
        return cls(
            j=fmean(record.j for record in records),
            f=fmean(record.f for record in records),
            false=fmean(record.has_mask and record.j < OFF_OBJECT for record in records),
            split=split,
            returns=found_returns(records),
        )


def found_returns(records: Sequence[ObjectRecord]) -> tuple[bool, ...]:
    """For every time that an object comes back into sight: whether it has a mask of J >= 0.5 in one of 10 frames.

    records: of the object in all scored frames. It was away if it was not visible in 5 frames or more before; the 10
    frames are those after it that show it.
    """
    found: list[bool] = []
    away, seen = 0, IN_TIME
    for record in records:
        if not record.visible:
            away += 1
            continue
        if away >= _AWAY:
            found.append(False)
            seen = 0
        away = 0
        if seen < IN_TIME:
            found[-1] |= record.has_mask and record.j >= ON_OBJECT
        seen += 1
    return tuple(found)


@dataclass(frozen=True)
class MaskScore(Score):
    """The score of a sequence, or the mean of several sequences, in which all objects have the same weight.

    objects  the score of each object, at least one
    fps      frames per second of SamPt.step alone
    ratings  (score, J) of every published mask, 0..1 each; frames in which an object has no mask are left out
    """

    columns: ClassVar[Sequence[Column]] = (
        Column("j", "J", "{:.3f}", "j"),
        Column("f", "F", "{:.3f}", "f"),
        Column("jf", "J&F", "{:.3f}", "jf"),
        Column("false", "false", "{:.3f}", "false"),
        Column("r", "r", "{:.2f}", "r"),
        Column("regained", "regained", "{:.2f}", "regained"),
        Column("fps", "frames/s", "{:.1f}", "fps"),
        Column("object_count", json="objects"),
        Column("objects", total=True),
        Column("ratings", total=True),
    )

    objects: tuple[ObjectScore, ...]
    fps: float
    ratings: tuple[tuple[float, float], ...]

    @classmethod
    def of(
        cls: type[SomeMaskScore], records: Mapping[int, Sequence[ObjectRecord]], fps: float, splits: Mapping[int, str]
    ) -> SomeMaskScore:
        """From each object's records in the frames in which it is scored, at least one, and the split it belongs to."""
        objects = tuple(ObjectScore.of(each, splits[object_id]) for object_id, each in records.items())
        ratings = tuple((one.score, one.j) for each in records.values() for one in each if one.has_mask)
        return cls(objects, fps, ratings)

    @property
    def object_count(self) -> int:
        """The number of objects."""
        return len(self.objects)

    @property
    def j(self) -> float:
        """Region similarity, the mean of all objects, 0..1."""
        return fmean(item.j for item in self.objects)

    @property
    def f(self) -> float:
        """Boundary accuracy, the mean of all objects, 0..1."""
        return fmean(item.f for item in self.objects)

    @property
    def false(self) -> float:
        """Share of an object's frames with a mask on something else (J < 0.1), the mean of all objects, 0..1."""
        return fmean(item.false for item in self.objects)

    @property
    def regained(self) -> float | None:
        """The share, 0..1, of the objects' returns into sight after which they are found, or None without any."""
        returns = [found for item in self.objects for found in item.returns]
        return fmean(returns) if returns else None

    @property
    def jf(self) -> float:
        """J&F, the mean of both."""
        return (self.j + self.f) / 2

    @property
    def r(self) -> float | None:
        """Pearson's correlation of score and J over all published masks, -1..1, or None where there is none."""
        return score_correlation(self.ratings)


@dataclass(frozen=True)
class SplitMaskScore(MaskScore):
    """A score with separate means over objects of seen and of unseen categories, as in YouTube-VOS.

    The overall score G is the mean of the four. A value is None if there are no such objects.
    """

    columns: ClassVar[Sequence[Column]] = (
        *MaskScore.columns,
        Column("j_seen", "J seen", "{:.3f}", "j_seen"),
        Column("f_seen", "F seen", "{:.3f}", "f_seen"),
        Column("j_unseen", "J unseen", "{:.3f}", "j_unseen"),
        Column("f_unseen", "F unseen", "{:.3f}", "f_unseen"),
        Column("g", "G", "{:.3f}", "g"),
    )

    @property
    def j_seen(self) -> float | None:
        """J, the mean of the objects of seen categories."""
        return _mean(item.j for item in self.objects if item.split == SEEN)

    @property
    def f_seen(self) -> float | None:
        """F, the mean of the objects of seen categories."""
        return _mean(item.f for item in self.objects if item.split == SEEN)

    @property
    def j_unseen(self) -> float | None:
        """J, the mean of the objects of unseen categories."""
        return _mean(item.j for item in self.objects if item.split == UNSEEN)

    @property
    def f_unseen(self) -> float | None:
        """F, the mean of the objects of unseen categories."""
        return _mean(item.f for item in self.objects if item.split == UNSEEN)

    @property
    def g(self) -> float | None:
        """The mean of these four, or of those that are known."""
        parts = (self.j_seen, self.f_seen, self.j_unseen, self.f_unseen)
        return _mean(value for value in parts if value is not None)


def _mean(values: Iterable[float]) -> float | None:
    known = list(values)
    return fmean(known) if known else None
