"""Measures whether objects are found again after an interruption: blank or missing frames within a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.masks import follow
from sampt_ros.evaluation.metrics import IN_TIME, OFF_OBJECT, ON_OBJECT, region_similarity
from sampt_ros.evaluation.scores import Column, Score
from sampt_ros.evaluation.simulated_clicks import start_objects
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.image_files import read_image
from sampt_ros.tracking.sam_pt import SamPt

_GREY = 128  # the value of all pixels of a blank frame


@dataclass(frozen=True)
class Interruption:
    """A number of frames in the middle of a sequence that are replaced by grey ones (blank) or cut out."""

    frames: int
    blank: bool


@dataclass(frozen=True)
class ReacquisitionScore(Score):
    """The outcome after an interruption, or the mean of several sequences.

    regained     fraction of objects, 0..1, that have a mask of J >= 0.5 in one of the first 10 frames after it
    after        mean number of frames that this took; None if no object is regained
    false_masks  number of frames since the interruption with a mask on something else (J < 0.1)
    j            mean J, 0..1, of all frames after the interruption
    """

    columns = (
        Column("regained", "regained", "{:.2f}", "regained"),
        Column("after", "after frames", "{:.1f}", "after_frames"),
        Column("false_masks", "false masks", "{}", "false_masks", total=True),
        Column("j", "J", "{:.3f}", "j"),
    )

    regained: float
    after: float | None
    false_masks: int
    j: float


def evaluate_reacquisition(
    sam_pt: SamPt, sequence: AnnotatedSequence, interruption: Interruption, clicks: int = 0
) -> ReacquisitionScore:
    """Track all objects of a sequence's first frame through an interruption, and score them after it.

    clicks  0: the objects start from their true masks; otherwise from this many clicks each (see `click_objects`)

    Raises SourceError for a sequence without a frame after the interruption, or a file that cannot be read.
    """
    middle = len(sequence.frames) // 2
    end = middle + interruption.frames
    if end >= len(sequence.frames):
        raise SourceError(f"expected more than {end} frames in {sequence.name}; got {len(sequence.frames)}")
    first = sequence.truth(0)
    start = partial(start_objects, sam_pt, first, clicks)
    overlaps: dict[int, list[float]] = {object_id: [] for object_id in first.masks}
    false_masks = 0
    for frame in follow(sam_pt, _interrupted(sequence, middle, interruption), start):
        if frame.index < middle:
            continue
        is_after = frame.index >= end
        # No object is visible in a blank frame.
        truth = sequence.truth(frame.index).masks if is_after else {}
        for object_id in first.masks:
            mask = frame.result.labels == object_id
            overlap = region_similarity(truth.get(object_id, np.zeros_like(mask)), mask)
            false_masks += int(mask.any() and overlap < OFF_OBJECT)
            if is_after:
                overlaps[object_id].append(overlap)
    delays = [_first_on_object(each[:IN_TIME]) for each in overlaps.values()]
    regained = [delay for delay in delays if delay is not None]
    return ReacquisitionScore(
        regained=len(regained) / len(delays),
        after=fmean(regained) if regained else None,
        false_masks=false_masks,
        j=fmean(fmean(each) for each in overlaps.values()),
    )


def _interrupted(
    sequence: AnnotatedSequence, middle: int, interruption: Interruption
) -> Iterator[tuple[int, np.ndarray]]:
    """Index in the sequence and image (H, W, 3) uint8 RGB of every frame that is shown."""
    grey = GreyRange()
    for index, path in enumerate(sequence.frames):
        if not middle <= index < middle + interruption.frames:
            yield index, read_image(path, grey)
        elif interruption.blank:
            yield index, np.full_like(read_image(path, grey), _GREY)


def _first_on_object(overlaps: Sequence[float]) -> int | None:
    """The index of the first J from which a mask counts as being on the object."""
    return next((index for index, overlap in enumerate(overlaps) if overlap >= ON_OBJECT), None)
