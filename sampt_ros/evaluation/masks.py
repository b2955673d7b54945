"""Objects tracked through a sequence of frames, and how good their masks are."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.davis import AnnotatedSequence, Annotation
from sampt_ros.evaluation.metrics import OFF_OBJECT, boundary_accuracy, region_similarity, score_correlation
from sampt_ros.evaluation.scores import Column, Score
from sampt_ros.evaluation.simulated_clicks import start_objects
from sampt_ros.io.video import read_image
from sampt_ros.tracking.sam_pt import SamPt

Watcher = Callable[[np.ndarray, FrameResult], None]  # takes an image (H, W, 3) uint8 RGB, and what was found in it


@dataclass(frozen=True, eq=False)
class FollowedFrame:
    """A frame through which objects were tracked.

    index    its place in the sequence, as it was given
    image    (H, W, 3) uint8 RGB
    result   what SamPt.step returned
    seconds  that SamPt.step took
    """

    index: int
    image: np.ndarray
    result: FrameResult
    seconds: float


def follow(
    sam_pt: SamPt, frames: Iterable[tuple[int, np.ndarray]], start: Callable[[], object]
) -> Iterator[FollowedFrame]:
    """Reset `sam_pt`, show it the first frame, start the objects there, and track them through the other frames.

    frames  index and image (H, W, 3) uint8 RGB of each, read one by one; at least one
    start   adds the objects to `sam_pt`, whose newest frame is the first one then

    Yields every frame but the first. What SamPt and `start` raise is passed on.
    """
    sam_pt.reset()
    remaining = iter(frames)
    _, image = next(remaining)
    sam_pt.step(image)
    start()
    for index, image in remaining:
        began = time.perf_counter()
        result = sam_pt.step(image)
        yield FollowedFrame(index, image, result, time.perf_counter() - began)


@dataclass(frozen=True)
class ObjectRecord:
    """One object in one scored frame.

    j         region similarity with the true mask, 0..1
    f         boundary accuracy, 0..1
    has_mask  whether its state says that there is a mask: TRACKING or REACQUIRED
    score     the predicted IoU that is published with the mask, 0..1
    """

    j: float
    f: float
    has_mask: bool
    score: float


@dataclass(frozen=True)
class MaskScore(Score):
    """How good the masks of a sequence are, or the mean of several sequences.

    j        region similarity, 0..1
    f        boundary accuracy, 0..1
    fps      frames per second of SamPt.step alone
    false    share of frames, 0..1, in which a mask is published that is on something else (J < 0.1)
    ratings  (score, J) of every published mask, 0..1 each; a frame in which an object has no mask is left out
    """

    columns = (
        Column("j", "J", "{:.3f}", "j"),
        Column("f", "F", "{:.3f}", "f"),
        Column("jf", "J&F", "{:.3f}", "jf"),
        Column("false", "false", "{:.3f}", "false"),
        Column("r", "r", "{:.2f}", "r"),
        Column("fps", "frames/s", "{:.1f}", "fps"),
        Column("ratings", total=True),
    )

    j: float
    f: float
    fps: float
    false: float
    ratings: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, records: Sequence[ObjectRecord], fps: float) -> MaskScore:
        """From the records of all objects in all scored frames, at least one; every record counts alike."""
        return cls(
            j=fmean(record.j for record in records),
            f=fmean(record.f for record in records),
            fps=fps,
            false=fmean(record.has_mask and record.j < OFF_OBJECT for record in records),
            ratings=tuple((record.score, record.j) for record in records if record.has_mask),
        )

    @property
    def jf(self) -> float:
        """J&F, the mean of both."""
        return (self.j + self.f) / 2

    @property
    def r(self) -> float | None:
        """Pearson's correlation of score and J over all published masks, -1..1, or None where there is none."""
        return score_correlation(self.ratings)


def evaluate_sequence(
    sam_pt: SamPt, sequence: AnnotatedSequence, clicks: int = 0, watch: Watcher | None = None
) -> MaskScore:
    """Track all objects of a sequence's first frame through it, and score them as the DAVIS benchmark does.

    The first and the last frame are not scored. Several objects are scored one by one; the sequence has their mean.

    clicks  0: the objects start from their true masks; otherwise from so many clicks each (see `click_objects`)
    watch   called for every frame but the first, with its image (H, W, 3) uint8 RGB and what was found in it

    Raises SourceError for a file that cannot be read, or an annotation that is not of its frame's size.
    """
    first = Annotation.read(sequence.annotations[0])
    start = partial(start_objects, sam_pt, first, clicks)
    last = len(sequence.frames) - 1
    records: list[ObjectRecord] = []
    seconds = 0.0
    for frame in follow(sam_pt, enumerate(map(read_image, sequence.frames)), start):
        seconds += frame.seconds
        if watch:
            watch(frame.image, frame.result)
        if frame.index < last:
            truth = Annotation.read(sequence.annotations[frame.index])
            records += object_records(truth, frame.result, first.masks)
    return MaskScore.of(records, fps=last / seconds)


def object_records(truth: Annotation, result: FrameResult, object_ids: Collection[int]) -> list[ObjectRecord]:
    """Compare what was found of each of these objects in a frame with what is true of it.

    An object that was never started has an empty mask and the score 0. Where masks overlap, the surer one counts.

    Raises SourceError if the annotation is not of the frame's size.
    """
    if truth.void.shape != result.size:
        raise SourceError(f"expected an annotation of its frame's size {result.size}; got {truth.void.shape}")
    nothing = np.zeros(result.size, bool)
    found = {item.id: item for item in result.objects}
    records = []
    for object_id in object_ids:
        true, mask = truth.masks.get(object_id, nothing), (result.labels == object_id) & ~truth.void
        j, f = region_similarity(true, mask), boundary_accuracy(true, mask)
        item = found.get(object_id)
        records.append(ObjectRecord(j, f, item.state.has_mask if item else False, item.score if item else 0.0))
    return records
