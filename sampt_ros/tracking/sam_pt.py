"""SAM-PT as a stream (Rajič et al., "Segment Anything Meets Point Tracking", arXiv 2307.01197)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import require_live_change
from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import Frame, FrameResult, LocalMask, ObjectResult, ObjectState, Points, check_image
from sampt_ros.descriptors.base import Descriptor
from sampt_ros.errors import QueryError
from sampt_ros.mask_propagators.base import MaskPropagator
from sampt_ros.point_trackers.base import PointTracker
from sampt_ros.segmenters.base import Segmenter
from sampt_ros.tracking.effort import Effort, efforts
from sampt_ros.tracking.frame_buffer import FrameBuffer
from sampt_ros.tracking.frame_segmenter import FrameSegmenter
from sampt_ros.tracking.masks.click_masks import corrected_mask, first_mask
from sampt_ros.tracking.masks.mask_carrier import MaskCarrier
from sampt_ros.tracking.motion import FrameMotion
from sampt_ros.tracking.object_state import ObjectTable, TrackedObject
from sampt_ros.tracking.points.point_set import TrackedPoints
from sampt_ros.tracking.queries import Query, checked_mask
from sampt_ros.tracking.reacquisition.drift_watch import DriftWatch, NewMask, Verdict
from sampt_ros.tracking.reacquisition.search import ObjectSearch
from sampt_ros.tracking.reinit import AcceptedMask, build_reinit_policy
from sampt_ros.utils.cpu_threads import on_cpu_threads, thread_count
from sampt_ros.utils.side_threads import SideThreads
from sampt_ros.utils.stage_timer import StageClock
from sampt_ros.weights.requirements import require_all

_NO_POINTS = Points.none()
_REFERENCE = -(2**31)  # Frame index of reference pictures.


@on_cpu_threads("step", "add_object", "add_reference", "add_points")
class SamPt:
    """Tracks any number of objects through a stream of frames: causal, in bounded memory.

        sam_pt = SamPt(load_preset("default"))
        sam_pt.step(image)
        cup = sam_pt.add_object(points=[(320, 240)])
        result = sam_pt.step(next_image)     # result.labels == cup.id, result.mask, result.objects

    Not thread-safe.

    effort  the work per frame, from the next frame on: the full effort, unless another one of `efforts` is set
    """

    def __init__(
        self,
        config: SamPtConfig | None = None,
        segmenter: Segmenter[Any, Any] | None = None,
        point_tracker: PointTracker | None = None,
        mask_propagator: MaskPropagator | None = None,
        descriptor: Descriptor | None = None,
    ) -> None:
        """Build the parts that `config` names (default: the default preset), unless they are given.

        Raises ConfigError, or CheckpointError if weights cannot be loaded.
        """
        self._config = config or load_preset()
        if all(part is None for part in (segmenter, point_tracker, mask_propagator, descriptor)):
            require_all(self._config)
        self._segmenter = FrameSegmenter.build(self._config, segmenter, descriptor)
        self._points = TrackedPoints(self._config, point_tracker)
        self._carrier = MaskCarrier(self._config, self._points, mask_propagator)
        side = SideThreads("sampt_side", max(1, thread_count(self._config.cpu_threads) - 1))
        self._motion = FrameMotion(self._points, self._carrier, self._segmenter, side)
        self._policy = build_reinit_policy(self._config.reinit)
        self._search = ObjectSearch(self._config, self._segmenter)
        self._objects = ObjectTable()
        self._frames = FrameBuffer(max(2, self._policy.lookback))
        self._drift = DriftWatch(self._config, self._segmenter, self._frames, side)
        self.effort = Effort()
        self.reset()

    def reset(self) -> None:
        """Forget everything; ids start from 1 again, and random numbers repeat."""
        self._objects.reset()
        self._points.reset()
        self.forget()

    def forget(self) -> None:
        """Forget all objects and frames, as for another camera; ids are not reused."""
        self._objects.clear()
        self._frames.reset()
        self._segmenter.forget()
        self._points.forget_all()
        self._carrier.reset()
        self._search.reset()

    def look_again(self) -> list[int]:
        """Search for all objects in the whole image, because the next frame does not continue from the last one.

        Objects of unknown appearance cannot be found, and are removed. Returns their ids.
        """
        for object_id in (unknown := self._search.unknown(self._objects, self._frames.newest)):
            self.remove_object(object_id)
        for tracked in self._objects:
            self._lose(tracked)
        self._points.forget_all()
        self._search.cut(self._objects)
        return unknown

    @property
    def config(self) -> SamPtConfig:
        """The configuration; assigning one that changes more than live parameters raises ConfigError."""
        return self._config

    @config.setter
    def config(self, config: SamPtConfig) -> None:
        require_live_change(self._config, config)
        self._config = self._points.config = self._carrier.config = self._drift.config = self._search.config = config

    @property
    def efforts(self) -> tuple[Effort, ...]:
        """The full effort and the reduced ones that can be set, in order of decreasing cost and accuracy."""
        return efforts(self._segmenter.adapts_detail, self._config.prompting.refinements, self._carrier.carries_masks)

    @property
    def object_ids(self) -> list[int]:
        """Ids of the tracked objects, in the order they were added."""
        return self._objects.ids

    def step(self, image: np.ndarray) -> FrameResult:
        """Track every object to the next frame.

        image: (H, W, 3) uint8 RGB, of the same size as the frames before; it is kept, not copied, so do not modify it
        afterwards. Raises FrameError for any other image, without having changed anything.

        If a computation fails, its error is raised (OutOfMemoryError if memory ran out; less is used from then on), and
        no object has a mask on this frame; the next frame can be tracked. So it is after an interrupt (Ctrl-C).
        """
        clock = StageClock()
        frame = self._frames.next_frame(image)
        objects = list(self._objects)
        # The tracker moves all points of all objects to the new frame.
        moved = self._motion.to_next(objects, [*list(self._frames)[-1:], frame], self.effort, clock)
        self._frames.append(frame)
        try:
            for tracked, points in zip(objects, moved.points):
                tracked.points = points
            # The last accepted masks move along; with less effort, some are the new masks.
            moved.finish()
            runs = self.effort.runs_network(frame.index)
            rest = [tracked for tracked in objects if runs or not tracked.take_propagated_mask()]

            # The image is encoded once; all objects with a visible point become masks in one batch.
            with clock("encoding"):
                if any(tracked.has_visible_point and self._carrier.sure_mask(tracked) is None for tracked in rest):
                    self._segmenter.encode(frame)
            with clock("decoding"):
                self._segment(rest, frame)

            # Masks that have drifted onto something else are dropped; lost objects are searched for in the whole image.
            with clock("reacquiring"):
                if self._config.reacquire.enabled:
                    self._reacquire(objects, frame)
            results = tuple(tracked.result for tracked in objects)
            result = FrameResult(frame.index, frame.size, results, clock.stages, self._objects.wholes)

            # Re-initialisation: good masks yield fresh points, which count from the next frame on.
            with clock("reinit"):
                self._reinitialise(frame)
        except BaseException:
            for tracked in objects:
                tracked.result = tracked.result_without_mask(self._frames.newest, ObjectState.UNCERTAIN, 0.0)
            raise
        return result

    @property
    def frame_index(self) -> int:
        """Index of the newest frame, also if its computation failed; -1 before the first."""
        return self._frames.newest.index if self._frames else -1

    @property
    def newest_result(self) -> FrameResult:
        """The newest frame's result: all UNCERTAIN if a computation failed. Raises QueryError before any frame."""
        frame = self._frames.newest
        results = tuple(tracked.result for tracked in self._objects)
        return FrameResult(frame.index, frame.size, results, wholes=self._objects.wholes)

    def add_object(
        self,
        points: Sequence[Sequence[float]] | np.ndarray | None = None,
        labels: Sequence[int] | np.ndarray | None = None,
        box: Sequence[float] | None = None,
        mask: np.ndarray | None = None,
        object_id: int | None = None,
        past: Sequence[np.ndarray] = (),
    ) -> ObjectResult:
        """Start an object and return it as it is on the newest frame.

        points     (n, 2) pixel xy on the newest frame; labels (n,) 1 on the object, 0 off it (default: all 1)
        box        (x_min, y_min, x_max, y_max) pixels around it
        mask       (H, W) its mask, nonzero on the object; used unchanged
        object_id  its id, 1..65535; a tracked object of this id is replaced (default: an id never used before)
        past       if the prompts refer to an older image than the newest: that image (H, W, 3) and every one since,
                   oldest first, without the newest

        Raises QueryError, saying what was expected, without having changed anything.
        """
        frames = self._frames.since(past)
        query = Query.checked(frames[0].size, points, labels, box, mask)
        query.require_start()
        object_id = self._objects.free_id(object_id, self._config.max_objects)
        started, score = first_mask(self._segmenter, query, frames[0], self._config.prompting.refinements)

        clicked = self._points.new(query.positive, query.negative)
        points_now = self._points.follow(clicked + self._points.draw(started, frames[0]), frames)
        tracked = TrackedObject.new(object_id, points_now, frames[-1], self._policy.lookback, started.area)
        tracked.propagated_mask = started
        tracked.clicked_ids = frozenset(clicked.id.tolist())
        with self._objects.undone_on_error(tracked), self._points.forgotten_on_error(points_now):
            if len(frames) == 1:
                self._accept_or_refuse(tracked, started, score)
            else:
                tracked.memory = self._segmenter.remember(frames[0], started, tracked.memory)
                tracked.looks = self._drift.learned(tracked.looks, started, score, frames[0])
                self._carrier.follow(tracked, frames, self.effort)
                self._objects.compare(tracked)
                self._segment([tracked], frames[-1])
            self._put(tracked, frames[-1])
        return tracked.result

    def add_reference(self, image: np.ndarray, mask: np.ndarray, object_id: int | None = None) -> ObjectResult:
        """Search for the object of a reference picture: it is LOST until it is seen, then REACQUIRED.

        image      (H, W, 3) uint8 RGB, of any size: the object in typical surroundings
        mask       (H, W) nonzero on the object
        object_id  as in add_object

        Raises FrameError or QueryError, saying what was expected, without having changed anything.
        """
        if not self._config.reacquire.enabled:
            raise QueryError("expected reacquire.enabled for an object known from a picture; it is false")
        seed = checked_mask(mask, check_image(image).shape[:2])
        object_id = self._objects.free_id(object_id, self._config.max_objects)
        picture = Frame(_REFERENCE, image)
        frame = self._frames.newest if self._frames else picture
        tracked = TrackedObject.new(object_id, _NO_POINTS, frame, self._policy.lookback)
        tracked.reacquisition = self._search.from_reference(picture, seed)
        tracked.memory = self._segmenter.remember(picture, LocalMask.of(seed), None)
        self._put(tracked, frame)
        return tracked.result

    def add_points(
        self,
        object_id: int,
        points: Sequence[Sequence[float]] | np.ndarray,
        labels: Sequence[int] | np.ndarray | None = None,
        past: Sequence[np.ndarray] = (),
    ) -> ObjectResult:
        """Correct a tracked object with more points and return it as it is on the newest frame.

        A propagated mask is corrected by the clicks alone, without the points sampled from wrong masks; if that fails,
        the object is restarted from the clicks. If the corrected mask is accepted, fresh points are sampled from it.

        points, labels, past: as in add_object. Raises QueryError (UnknownObjectError for the id), without having
        changed anything; also for negative points only, if there is no mask to correct.
        """
        tracked = self._objects[object_id]
        frames, replaced = self._frames.since(past), _NO_POINTS
        query = tracked.correction(Query.checked(frames[0].size, points, labels))
        added = self._points.follow(self._points.new(query.positive, query.negative), frames)
        with self._objects.undone_on_error(tracked), self._points.forgotten_on_error(added):
            tracked.points = tracked.points + added
            tracked.clicked_ids = tracked.clicked_ids | frozenset(added.id.tolist())
            self._correct(tracked, frames[-1])
            if tracked.result.state.has_mask:
                self._objects.compare(tracked)
                self._carrier.restart(tracked, frames[-1])
                replaced = self._redraw_points(tracked, tracked.result.local_mask, frames[-1:], keep=tracked.clicks)
                tracked.result = replace(tracked.result, points=tracked.points.copy())
        self._points.forget(replaced)  # only now, since an interrupt would have brought them back
        return tracked.result

    def remove_object(self, object_id: int) -> None:
        """Stop tracking an object; raises UnknownObjectError."""
        self._points.forget(self._objects[object_id].points)
        self._carrier.remove(object_id)
        del self._objects[object_id]

    def _put(self, tracked: TrackedObject, frame: Frame) -> None:
        """Add an object as it is on the newest frame; it replaces one of the same id."""
        self._carrier.restart(tracked, frame)
        if (replaced := self._objects.put(tracked)) is not None:
            self._points.forget(replaced.points)

    def _segment(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """Compute the result of each of these objects on the newest frame."""
        visible = []
        for tracked in objects:
            if (sure := self._carrier.sure_mask(tracked)) is not None:
                self._accept_or_refuse(tracked, sure, tracked.certainty)
            elif tracked.has_visible_point:
                visible.append(tracked)
            else:
                tracked.result = tracked.result_without_mask(self._frames.newest, ObjectState.LOST, 0.0)
                tracked.looks = tracked.looks.absent()
        if not visible:
            return
        others = [self._objects.positive_points_of_rivals(tracked) for tracked in visible]
        prompts = [tracked.prompt(points, self._carrier.prompt(tracked)) for tracked, points in zip(visible, others)]
        passes = self.effort.passes(self._config.prompting.refinements)
        masks = self._segmenter.masks(frame, prompts, passes, detail=self.effort.detail)
        found = [NewMask(tracked.looks, mask, score) for tracked, (mask, score) in zip(visible, masks)]
        for tracked, (_, score), verdict in zip(visible, masks, self._drift.judge(found, frame)):
            self._take(tracked, verdict, score, frame)
            self._carrier.learn(tracked, frame)

    def _take(self, tracked: TrackedObject, verdict: Verdict, score: float, frame: Frame) -> None:
        """Accept a new mask if it still is the object; after a long time in doubt the object is lost."""
        tracked.looks = verdict.looks
        if not verdict.is_doubted:
            self._accept_or_refuse(tracked, verdict.mask, score)
        elif tracked.looks.is_given_up:
            self._lose(tracked)
        else:
            tracked.result = tracked.result_without_mask(frame, ObjectState.UNCERTAIN, score * verdict.likeness.share)

    def _correct(self, tracked: TrackedObject, frame: Frame) -> None:
        """Compute the result of an object with new clicks on the newest frame."""
        tracked.forget_looks()  # They were learned from wrong masks.
        mask_prompt = self._carrier.prompt(tracked)
        if mask_prompt is None or not tracked.has_visible_point:
            self._segment([tracked], frame)
            return
        others, passes = self._objects.positive_points_of_rivals(tracked), self._config.prompting.refinements
        corrected = corrected_mask(self._segmenter, tracked, others, mask_prompt, frame, passes)
        if corrected.starts_anew:
            tracked.memory = None
        self._accept_or_refuse(tracked, corrected.mask, corrected.score)

    def _accept_or_refuse(self, tracked: TrackedObject, mask: LocalMask, score: float) -> None:
        """Use a mask of bool as the object's on the newest frame, unless its predicted IoU is too low."""
        if not (score >= self._config.prompting.iou_threshold and mask.area):  # Written so that NaN is refused, too.
            tracked.result = tracked.result_without_mask(self._frames.newest, ObjectState.UNCERTAIN, score)
            return
        frame = self._frames.newest
        tracked.reliability = tracked.reliability.after(mask, score)
        tracked.result = tracked.result_with(mask)
        tracked.propagated_mask = mask
        tracked.memory = self._segmenter.remember(frame, mask, tracked.memory)
        tracked.history.add(AcceptedMask(frame.index, mask))
        if self._carrier.sure_mask(tracked) is None:  # Otherwise the frame would have to be encoded just for this.
            tracked.looks = self._drift.learned(tracked.looks, mask, score, frame)

    def _reacquire(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """Lose the objects whose masks have drifted, learn from the others, and search for the lost ones."""
        self._search.observe(objects, frame)
        if not self.effort.runs_network(frame.index):
            return
        late = self._search.take_over(objects, frame)
        for tracked in [tracked for tracked in objects if tracked in late or self._search.has_drifted(tracked, frame)]:
            self._lose(tracked)
        self._search.learn(objects, frame)
        for tracked in filter(self._search.is_sought, objects):
            found = self._search.find(tracked, frame, self._objects.masks_of_rivals(tracked))
            tracked.reacquisition = found.reacquisition
            if found.mask is not None:
                self._restart(tracked, LocalMask.of(found.mask).trimmed(), found.score, frame)

    def _lose(self, tracked: TrackedObject) -> None:
        """Forget an object's position, but not its appearance."""
        self._points.forget(tracked.points)
        self._carrier.remove(tracked.id)
        tracked.lose_place()
        tracked.result = tracked.result_without_mask(self._frames.newest, ObjectState.LOST, 0.0)

    def _restart(self, tracked: TrackedObject, mask: LocalMask, score: float, frame: Frame) -> None:
        """Resume an object that was found again, under its old id."""
        tracked.looks = tracked.looks.lost()
        self._accept_or_refuse(tracked, mask, score)
        self._carrier.restart(tracked, frame)
        self._points.forget(self._redraw_points(tracked, mask, [frame]))
        tracked.history.since = frame.index
        tracked.result = replace(tracked.result, state=ObjectState.REACQUIRED, points=tracked.points.copy())

    def _reinitialise(self, frame: Frame) -> None:
        """Sample fresh points where the policy says so, and track them from the mask's frame to this one."""
        histories = {tracked.id: tracked.history for tracked in self._objects}
        for object_id, accepted in self._policy.choose(frame.index, histories).items():
            tracked, frames = self._objects[object_id], [each for each in self._frames if each.index >= accepted.index]
            self._points.forget(self._redraw_points(tracked, accepted.mask, frames))
            tracked.history.since = frame.index

    def _redraw_points(
        self, tracked: TrackedObject, mask: LocalMask, frames: Sequence[Frame], keep: Points = _NO_POINTS
    ) -> Points:
        """Replace an object's points, except those to `keep`, by fresh ones of a mask on frames[0]; returns the old."""
        fresh = self._points.follow(self._points.draw(mask, frames[0]), frames)
        before, tracked.points, tracked.clicked_ids = tracked.points, keep + fresh, frozenset(keep.id.tolist())
        return before.at(~np.isin(before.id, keep.id))
