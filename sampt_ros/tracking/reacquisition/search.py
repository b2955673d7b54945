"""Searches for lost objects in a stream's frames, and checks whether masks are still on their objects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import QueryError
from sampt_ros.tracking.frame_segmenter import FrameSegmenter
from sampt_ros.tracking.mask_decoding import ObjectPrompt
from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.reacquisition.appearance import MIN_COVERAGE, MaskedCells
from sampt_ros.tracking.reacquisition.lessons import Lessons
from sampt_ros.tracking.reacquisition.matching import Reacquisition, ResponseMap, Sighting
from sampt_ros.tracking.reacquisition.scene_cut import SceneCutDetector

_LEAST_SIDE = 16  # Pixels of a reference picture: that of the patches that encoders divide an image into.
_OCCUPIED = 0.5  # A mask of which rivals' masks cover a larger share is not accepted.


@dataclass(frozen=True, eq=False)
class SearchResult:
    """The result of the search for one object in one frame.

    reacquisition  the updated knowledge of the object
    mask           (H, W) bool: where it is, or None if it was not found
    score          the mask's predicted IoU
    """

    reacquisition: Reacquisition | None
    mask: np.ndarray | None = None
    score: float = 0.0


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A cell (x, y) int where an object may be, its mask (H, W) bool there, and the mask's predicted IoU."""

    cell: np.ndarray
    mask: np.ndarray
    score: float


class ObjectSearch:
    """Learns the appearance of tracked objects, and finds lost ones by it.

    `observe`, `take_over` and `learn` update the objects' `reacquisition`, each once per frame; the other methods
    change nothing.
    """

    def __init__(self, config: SamPtConfig, segmenter: FrameSegmenter[Any, Any]) -> None:
        self.config = config
        self._segmenter = segmenter
        self._cuts = SceneCutDetector()
        self._lessons = Lessons()

    def reset(self) -> None:
        """Forget the last frame, as for another camera."""
        self._cuts.reset()
        self._lessons.forget()

    def from_reference(self, picture: Frame, mask: np.ndarray) -> Reacquisition:
        """Learn an object from a picture and its mask (H, W) bool in it; raises QueryError if either is too small."""
        if min(picture.size) < _LEAST_SIDE:
            height, width = picture.size
            least = f"{_LEAST_SIDE}x{_LEAST_SIDE}"
            raise QueryError(
                f"expected a picture of at least {least} pixels to know an object from; got {width}x{height}"
            )
        feature_map = self._segmenter.describe(picture)
        target = self._segmenter.target(picture, mask)
        known = Reacquisition.from_reference(self.config.reacquire, picture.index, feature_map, mask, target)
        if not known.appearance.is_known:
            height, width = picture.size
            cell = (width / feature_map.shape[1]) * (height / feature_map.shape[0])
            raise QueryError(
                f"expected an object that fills {MIN_COVERAGE:.0%} of a cell of {cell:.0f} pixels in the picture, to "
                f"know it again; got one of {np.count_nonzero(mask)} pixels"
            )
        return known

    def observe(self, objects: Iterable[TrackedObject], frame: Frame) -> None:
        """Take in the next frame; if it follows a cut, all objects are in doubt."""
        self._cuts.observe(frame)
        for tracked in objects:
            if tracked.reacquisition and self._cuts.is_cut:
                tracked.reacquisition = tracked.reacquisition.after_cut()

    def cut(self, objects: Iterable[TrackedObject]) -> None:
        """Put all objects in doubt, because the next frame does not continue the last one."""
        self.reset()
        for tracked in objects:
            tracked.reacquisition = tracked.reacquisition and tracked.reacquisition.after_cut()

    def unknown(self, objects: Iterable[TrackedObject], frame: Frame) -> list[int]:
        """Ids of the objects that could not be found again, after those started on this frame were learned."""
        if not self.config.reacquire.enabled:
            return [tracked.id for tracked in objects]
        self.learn([tracked for tracked in objects if tracked.reacquisition is None], frame)
        return [tracked.id for tracked in objects if not tracked.is_known]

    def take_over(self, objects: Iterable[TrackedObject], frame: Frame) -> list[TrackedObject]:
        """Update the objects by what was learned in the background during the last frames, if it is due.

        Returns the objects whose masks were found to lie on something else.
        """
        drifted, present = [], list(objects)
        with self._segmenter.saving_memory():
            lessons = self._lessons.taken(frame.index)
        for lesson in lessons:
            tracked = lesson.tracked
            if tracked not in present:
                continue
            if lesson.after is not None and tracked.reacquisition is not None:
                tracked.reacquisition = tracked.reacquisition.taught(lesson.after)
            elif lesson.after is None and tracked.result.state.has_mask:
                drifted.append(tracked)
        return drifted

    def has_drifted(self, tracked: TrackedObject, frame: Frame) -> bool:
        """Whether an object's mask must be checked on this frame, not in the background, and lies on something else."""
        known = tracked.reacquisition
        if not known or not known.is_check_due(frame.index) or self._can_wait(tracked):
            return False
        if not tracked.result.state.has_mask:
            return known.is_doubted and tracked.looks.frames_doubted > 0  # After a cut, one doubted mask is enough.
        return known.has_drifted(self._cells(tracked, frame))

    def learn(self, objects: Iterable[TrackedObject], frame: Frame) -> None:
        """Learn from the masks of this frame if that is due; masks that have drifted must have been removed before.

        Whatever can wait is learned in the background during the next frames.
        """
        objects = list(objects)
        waiting = [tracked for tracked in objects if self._can_wait(tracked)]
        due = [each for each in waiting if each.reacquisition and frame.index >= each.reacquisition.learn_at]
        if due and not self._lessons.is_running:
            self._lessons.start(frame.index, due, self._segmenter.describing(frame))
        for tracked in objects:
            known, state = tracked.reacquisition, tracked.result.state
            if tracked in waiting:
                pass
            elif state.has_mask and (known is None or frame.index >= known.learn_at):
                known = known or Reacquisition.start(self.config.reacquire)
                known = known.learned(frame.index, self._cells(tracked, frame))
            elif state.has_mask and known is not None:
                known = known.checked()
            tracked.reacquisition = known and known.after_frame(state)

    def _cells(self, tracked: TrackedObject, frame: Frame) -> MaskedCells:
        """The frame's cells that an object's mask covers."""
        return MaskedCells.of(self._segmenter.describe(frame), tracked.result.local_mask)

    def _can_wait(self, tracked: TrackedObject) -> bool:
        """Whether an object's mask is checked and learned in the background, while the next frames are tracked.

        That is so for known objects, unless there was a cut. Others are learned at once, because without any
        knowledge they could not be found again.
        """
        known = tracked.reacquisition
        is_sure = known is not None and known.appearance.is_known and not known.is_doubted
        return self._segmenter.describes_beside and is_sure and tracked.result.state.has_mask

    def is_sought(self, tracked: TrackedObject) -> bool:
        """Whether an object should be searched for in the whole image."""
        return tracked.reacquisition is not None and tracked.reacquisition.is_sought(tracked.result.state)

    def find(self, tracked: TrackedObject, frame: Frame, occupied: np.ndarray) -> SearchResult:
        """Search for a lost object in the place of the frame that looks most like it.

        occupied: (H, W) bool, the masks of its rivals
        """
        known = tracked.reacquisition
        if known is None or not known.appearance.is_known:
            return SearchResult(known)
        feature_map = self._segmenter.describe(frame)
        response = known.response(feature_map, occupied)
        known = known.following(response, frame.index)
        if known.is_found_by_picture:
            candidate = self._found_by_picture(known, response, frame, occupied)
        else:
            candidate = self._found_by_click(known, response, tracked.memory, frame)
        if candidate is None:
            return SearchResult(known)
        cell, mask = candidate.cell, candidate.mask
        cells = MaskedCells.of(feature_map, LocalMask.of(mask))
        if not (known.matches(frame.index, cell, cells) and self._looks_alike(tracked, mask, frame)):
            return SearchResult(known.rejecting(cell, frame.index))
        sighting = Sighting.of(mask)
        if known.confirms(sighting):
            return SearchResult(known.sighted(sighting), mask, candidate.score)
        return SearchResult(known.sighted(sighting))

    def _looks_alike(self, tracked: TrackedObject, mask: np.ndarray, frame: Frame) -> bool:
        """Whether the content of a mask (H, W) bool looks like the object, compared with the object's surroundings."""
        local = LocalMask.of(mask)
        likeness = tracked.looks.likeness(self._segmenter.describe_object(frame, local), local)
        follows_cut = tracked.reacquisition is not None and tracked.reacquisition.is_doubted
        return tracked.looks.is_found_again(likeness, follows_cut)

    def _found_by_click(
        self, known: Reacquisition, response: ResponseMap, memory: Any, frame: Frame
    ) -> _Candidate | None:
        """The mask that a click on the cell of the highest response gives."""
        cell = known.candidate(response)
        if cell is None:
            return None
        scale = np.array(frame.size[::-1], np.float32) / response.values.shape[::-1]
        click = ObjectPrompt(((cell + 0.5) * scale - 0.5)[None].astype(np.float32), memory=memory)
        ((mask, score),) = self._segmenter.masks(frame, [click], self.config.prompting.refinements, ambiguous=True)
        return self._candidate(cell, mask.whole(), score)

    def _found_by_picture(
        self, known: Reacquisition, response: ResponseMap, frame: Frame, occupied: np.ndarray
    ) -> _Candidate | None:
        """The mask that the one-shot method finds outside rivals and distractors.

        It is empty if it mostly lies on a rival.
        """
        barred = known.barred(response)
        excluded = cv2.resize(barred.view(np.uint8), frame.size[::-1], interpolation=cv2.INTER_NEAREST) > 0
        excluded |= occupied
        if excluded.all():
            return None
        found = self._segmenter.find(frame, known.target, excluded)
        is_other = np.count_nonzero(found.mask & occupied) > _OCCUPIED * np.count_nonzero(found.mask)
        cell = (found.xy + 0.5) * barred.shape[::-1] // np.array(frame.size[::-1])
        return self._candidate(cell.astype(int), np.zeros_like(found.mask) if is_other else found.mask, found.score)

    def _candidate(self, cell: np.ndarray, mask: np.ndarray, score: float) -> _Candidate:
        """A mask found from a cell, made empty if its predicted IoU is too low to be accepted."""
        is_accepted = score >= self.config.prompting.iou_threshold  # False for a NaN
        return _Candidate(cell, mask if is_accepted else np.zeros_like(mask), score)
