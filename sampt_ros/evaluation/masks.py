"""Tracks the objects of a sequence and scores their masks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.errors import FrameError, QueryError, SourceError
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence, Annotation
from sampt_ros.evaluation.mask_scores import MaskScore, ObjectRecord, SplitMaskScore
from sampt_ros.evaluation.metrics import boundary_accuracy, region_similarity
from sampt_ros.evaluation.simulated_clicks import start_objects
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.image_files import read_image
from sampt_ros.tracking.sam_pt import SamPt

_log = logging.getLogger(__name__)

Watcher = Callable[[np.ndarray, FrameResult], None]  # called with an image (H, W, 3) uint8 RGB and its result


@dataclass(frozen=True, eq=False)
class FollowedFrame:
    """A frame with its tracking result.

    index    its index in the sequence
    image    (H, W, 3) uint8 RGB
    result   returned by SamPt.step
    seconds  spent in SamPt.step
    """

    index: int
    image: np.ndarray
    result: FrameResult
    seconds: float


def follow(
    sam_pt: SamPt, frames: Iterable[tuple[int, np.ndarray]], start: Callable[[], object]
) -> Iterator[FollowedFrame]:
    """Reset `sam_pt`, start the objects on the first frame, and track them through the other frames.

    frames  index and image (H, W, 3) uint8 RGB of each, read one by one; at least one
    start   adds the objects to `sam_pt`; called after its first frame

    Yields every frame but the first. Raises what SamPt and `start` raise.
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


def evaluate_sequence(
    sam_pt: SamPt, sequence: AnnotatedSequence, clicks: int = 0, watch: Watcher | None = None
) -> MaskScore:
    """Track the objects of a sequence, each from the first annotation that shows it, and score them.

    clicks  0: the objects start from their true masks; otherwise from this many clicks each (see `click_objects`)
    watch   called for every frame but the first, with its image (H, W, 3) uint8 RGB and its result

    Raises SourceError for a file that cannot be read, an annotation of another size than its frame, and a sequence in
    which no object can be scored; QueryError for an object of the first frame that cannot be started.
    """
    evaluator = SequenceEvaluator(sam_pt, sequence, clicks)
    seconds = 0.0
    images = map(partial(read_image, grey=GreyRange()), sequence.frames)
    try:
        for frame in follow(sam_pt, enumerate(images), evaluator.begin):
            seconds += frame.seconds
            if watch:
                watch(frame.image, frame.result)
            evaluator.add(frame.index, frame.result)
    except FrameError as error:
        raise SourceError(f"{sequence.name}: {error}") from None
    return evaluator.score(fps=(len(sequence.frames) - 1) / max(seconds, 1e-9))


class SequenceEvaluator:
    """Starts the objects of a sequence as its benchmark prescribes, and compares their masks with the ground truth.

    An object starts from the first annotation that shows it, and is scored in all annotated frames after it. Frames in
    which it is not visible count, too: J and F are 1 if it has no mask there, and 0 if it has one.
    """

    def __init__(self, sam_pt: SamPt, sequence: AnnotatedSequence, clicks: int = 0) -> None:
        """clicks: as in evaluate_sequence."""
        self._sam_pt = sam_pt
        self._sequence = sequence
        self._clicks = clicks
        self._last_scored = len(sequence.frames) - (1 if sequence.scores_last else 2)
        self._records: dict[int, list[ObjectRecord]] = {}  # By object id, of all objects started so far.
        self._is_seen_again = len(sequence.annotations) == len(sequence.frames)

    def begin(self) -> None:
        """Start the objects of the first frame; raises QueryError for one that cannot be started."""
        if 0 in self._sequence.annotations:
            self._start_new(0, self._sequence.truth(0))

    def add(self, index: int, result: FrameResult) -> None:
        """Compare the result of the newest frame with its annotation, if any, and start the objects that are new there.

        An object that cannot be started is logged, and its masks count as empty.
        """
        is_scored = index <= self._last_scored
        if index not in self._sequence.annotations or not (is_scored or self._sequence.later_objects):
            return
        truth = self._sequence.truth(index)
        self._is_seen_again |= any(object_id in self._records for object_id in truth.masks)
        if is_scored:
            try:
                compared = object_records(truth, result, self._records)
            except SourceError as error:
                raise SourceError(f"{self._sequence.annotations[index]}: {error}") from None
            for records, record in zip(self._records.values(), compared):
                records.append(record)
        self._start_new(index, truth)

    def _start_new(self, index: int, truth: Annotation) -> None:
        for object_id, mask in truth.masks.items():
            if object_id in self._records or not self._sequence.counts(object_id, index):
                continue
            if self._sequence.later_objects and not mask.any():
                continue
            self._records[object_id] = []
            try:
                start_objects(self._sam_pt, Annotation({object_id: mask}, truth.void), self._clicks)
            except QueryError as error:
                name = self._sequence.name
                if index == 0:
                    raise QueryError(f"{name}: object {object_id}: {error}") from None
                _log.warning("%s: object %d is not started in frame %d: %s", name, object_id, index, error)

    def score(self, fps: float) -> MaskScore:
        """The score over all frames; raises SourceError if none was compared."""
        name, scored = self._sequence.name, {key: records for key, records in self._records.items() if records}
        if not (scored and self._is_seen_again):
            raise SourceError(
                f"{name}: expected annotations of the objects after those that they start from; got none "
                "(of a validation set often only the first masks are published; its server scores the others)"
            )
        for object_id in self._records.keys() - scored.keys():
            _log.warning("%s: object %d has no annotation after the first one, and is not scored", name, object_id)
        splits = {object_id: self._sequence.split(object_id) for object_id in scored}
        return (SplitMaskScore if any(splits.values()) else MaskScore).of(scored, fps, splits)


def object_records(truth: Annotation, result: FrameResult, object_ids: Collection[int]) -> list[ObjectRecord]:
    """Compare the result for each of these objects in a frame with the ground truth.

    An object that was never started has an empty mask and the score 0. Masks that overlap count as in
    FrameResult.labels.

    Raises SourceError if the annotation has another size than the frame.
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
        has_mask, score = (item.state.has_mask, item.score) if item else (False, 0.0)
        records.append(ObjectRecord(j, f, has_mask, score, bool(true.any())))
    return records
