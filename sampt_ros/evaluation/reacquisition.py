"""Whether objects are found again: sequences with frames taken out, or blank, in the middle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.davis import AnnotatedSequence, Annotation
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.evaluation.simulated_clicks import start_objects
from sampt_ros.io.video import read_image
from sampt_ros.tracking.sam_pt import SamPt

IN_TIME = 10  # frames within which an object counts as regained
_REGAINED, _FALSE = 0.5, 0.1  # J from which a mask is on the object, and below which it is on something else
_GREY = 128  # of a blank frame


@dataclass(frozen=True)
class Interruption:
    """So many frames, from the middle of a sequence on, are blank (grey) or not there at all: a cut."""

    frames: int
    blank: bool


@dataclass(frozen=True)
class ReturnScore:
    """What became of objects after an interruption.

    regained     share of them with a mask of J >= 0.5 in one of the first 10 frames after it
    after        frames until then, mean of those regained; NaN where none is
    false_masks  frames, from the interruption on, with a mask on something else (J < 0.1)
    j            mean J of the frames after the interruption
    """

    regained: float
    after: float
    false_masks: int
    j: float

    @classmethod
    def mean(cls, scores: Sequence[ReturnScore]) -> ReturnScore:
        """The mean of at least one score; false masks are added up."""
        after = [score.after for score in scores if not np.isnan(score.after)]
        return cls(
            fmean(score.regained for score in scores),
            fmean(after) if after else float("nan"),
            sum(score.false_masks for score in scores),
            fmean(score.j for score in scores),
        )

    @staticmethod
    def head() -> str:
        """The line above the rows."""
        return "regained  after frames  false masks      J"

    def row(self) -> str:
        """The score as a row of a table."""
        return f"{self.regained:8.2f}  {self.after:12.1f}  {self.false_masks:11d}  {self.j:.3f}"

    def fields(self) -> dict[str, float | None]:
        """The score as JSON takes it."""
        after = None if np.isnan(self.after) else self.after
        return {"regained": self.regained, "after_frames": after, "false_masks": self.false_masks, "j": self.j}


def evaluate_return(
    sam_pt: SamPt, sequence: AnnotatedSequence, interruption: Interruption, clicks: int = 0
) -> ReturnScore:
    """Track all objects of a sequence's first frame through an interruption, and see which are there after it.

    clicks: as in evaluate_sequence. Raises SourceError for a sequence too short to go on after the interruption.
    """
    middle = len(sequence.frames) // 2
    end = middle + interruption.frames
    if end >= len(sequence.frames):
        raise SourceError(f"expected more than {end} frames in {sequence.name}; got {len(sequence.frames)}")
    sam_pt.reset()
    first = Annotation.read(sequence.annotations[0])
    overlaps: dict[int, list[float]] = {name: [] for name in first.masks}
    false_masks = 0
    for index, image in _interrupted(sequence, middle, interruption):
        result = sam_pt.step(image)
        if index == 0:
            start_objects(sam_pt, first, clicks)
        if index < middle:
            continue
        # Nothing is to be seen of any object on a blank frame.
        truth = Annotation.read(sequence.annotations[index]).masks if index >= end else {}
        for name in first.masks:
            mask = result.labels == name
            true = truth.get(name, np.zeros_like(mask))
            overlap = region_similarity(true, mask)
            false_masks += int(mask.any() and overlap < _FALSE)
            if index >= end:
                overlaps[name].append(overlap)
    regained = [_first(each[:IN_TIME]) for each in overlaps.values()]
    times = [time for time in regained if time is not None]
    return ReturnScore(
        len(times) / len(regained),
        fmean(times) if times else float("nan"),
        false_masks,
        fmean(fmean(each) for each in overlaps.values()),
    )


def _interrupted(
    sequence: AnnotatedSequence, middle: int, interruption: Interruption
) -> Iterator[tuple[int, np.ndarray]]:
    """Index and image (H, W, 3) uint8 RGB of what is to be seen."""
    for index, path in enumerate(sequence.frames):
        if not middle <= index < middle + interruption.frames:
            yield index, read_image(path)
        elif interruption.blank:
            yield index, np.full_like(read_image(path), _GREY)


def _first(overlaps: Sequence[float]) -> int | None:
    return next((frame for frame, overlap in enumerate(overlaps) if overlap >= _REGAINED), None)
