"""SAM-PT as a stream (Rajič et al., "Segment Anything Meets Point Tracking", arXiv 2307.01197)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sampt_ros.config import SamPtConfig, load_preset, require_live_change
from sampt_ros.errors import INFERENCE_ERRORS, FrameError, QueryError, UnknownObjectError
from sampt_ros.frame_segmenter import FrameSegmenter
from sampt_ros.object_search import ObjectSearch
from sampt_ros.point_trackers import PointTracker, build_point_tracker
from sampt_ros.prompting import ObjectPrompt
from sampt_ros.queries import Query, checked_mask
from sampt_ros.reinit import AcceptedMask, MaskHistory, build_reinit_policy
from sampt_ros.segmenters import Segmenter, build_segmenter
from sampt_ros.stages import StageClock
from sampt_ros.structures import POSITIVE, Frame, FrameResult, ObjectResult, ObjectState, Points, check_image
from sampt_ros.tracked_object import TrackedObject
from sampt_ros.tracked_points import TrackedPoints

_LEAST_CARRIED = 16  # pixels that a mask must still have to be a prompt
_REFERENCE = -(2**31)  # index of the frame that a reference picture is
_MAX_ID = 65535  # the label image is uint16


class SamPt:
    """Tracks any number of objects through a stream of frames: causal, in bounded memory.

        sam_pt = SamPt(load_preset("default"))
        sam_pt.step(image)
        cup = sam_pt.add_object(points=[(320, 240)])
        result = sam_pt.step(next_image)     # result.labels == cup.id, result.mask, result.objects

    Not to be called from two threads at once.
    """

    def __init__(
        self,
        config: SamPtConfig | None = None,
        segmenter: Segmenter | None = None,
        point_tracker: PointTracker | None = None,
    ) -> None:
        """Build what `config` names (default: the default preset), unless a segmenter or tracker object is given.

        Raises ConfigError, or CheckpointError if weights cannot be loaded.
        """
        self._config = config or load_preset()
        self._segmenter = FrameSegmenter(segmenter or build_segmenter(self._config))
        self._points = TrackedPoints(self._config, point_tracker or build_point_tracker(self._config))
        self._policy = build_reinit_policy(self._config.reinit)
        self._search = ObjectSearch(self._config, self._segmenter)
        self.reset()

    def reset(self) -> None:
        """Forget everything; ids and the seed begin anew."""
        self._last_id = 0
        self._late_frames = 0
        self._points.reset()
        self.forget()

    def forget(self) -> None:
        """Forget all objects and frames, as for another camera; ids go on, so that none means two things."""
        self._objects: dict[int, TrackedObject] = {}
        self._frames: deque[Frame] = deque(maxlen=max(2, self._policy.memory))
        self._segmenter.forget()
        self._points.forget_all()
        self._search.reset()

    @property
    def config(self) -> SamPtConfig:
        """The configuration; assigning one that changes more than live parameters raises ConfigError."""
        return self._config

    @config.setter
    def config(self, config: SamPtConfig) -> None:
        require_live_change(self._config, config)
        self._config = self._points.config = self._search.config = config

    @property
    def object_ids(self) -> list[int]:
        """Ids of the tracked objects, in the order they were added."""
        return list(self._objects)

    def step(self, image: np.ndarray) -> FrameResult:
        """Bring every object to the next frame.

        image: (H, W, 3) uint8 RGB, of the same size as the frames before; it is kept, not copied, so do not write into
        it afterwards. Raises FrameError otherwise, and then nothing has changed.

        Where a computation fails, its error is raised, and OutOfMemoryError where memory ran out: then less of it is
        used from now on. No object has a mask on this frame then, and the next one can come.
        """
        clock = StageClock()
        frame = self._move_points(image, clock)
        objects = list(self._objects.values())
        try:
            # The last accepted masks move along, if the tracker can carry them.
            with clock("carrying"):
                self._carry_masks(objects, list(self._frames)[-2:])

            # The image is encoded once; all objects that are still seen become masks in one batch.
            with clock("encoding"):
                if any(item.seen for item in objects):
                    self._segmenter.encode(frame)
            with clock("decoding"):
                self._segment(objects, frame)

            # What has become something else is lost; what is lost is looked for in the whole image.
            with clock("reacquiring"):
                for item in self._search.drifted(objects, frame):
                    self._lose(item)
                for item, mask, score in self._search.found(objects, frame):
                    self._restart(item, mask, score, frame)
        except INFERENCE_ERRORS:
            for item in objects:
                item.result = self._result(item, ObjectState.UNCERTAIN, 0.0)
            raise
        result = FrameResult(frame.index, frame.size, tuple(item.result for item in objects), clock.stages)

        # Good masks yield fresh points, which count from the next frame on.
        with clock("reinit"):
            self._reinitialise(frame)
        return result

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
        mask       (H, W) its mask, nonzero on the object; taken as it is
        object_id  its id, 1..65535; a tracked object of this id starts anew (default: an id never used before)
        past       where the prompts lie on an older image than the newest: that image (H, W, 3) and every one since,
                   oldest first, without the newest

        Raises QueryError, saying what was expected, and then nothing has changed.
        """
        frames = self._frames_since(past)
        query = Query.checked(frames[0].size, points, labels, box, mask)
        query.require_start()
        object_id = self._checked_id(object_id)
        started, score = self._first_mask(query, frames[0])

        clicked = self._points.new(query.positive, query.negative)
        followed = self._points.follow(clicked + self._points.draw(started, frames[0]), frames)
        history = MaskHistory(int(started.sum()), frames[-1].index, deque(maxlen=self._policy.memory))
        result = ObjectResult(object_id, ObjectState.LOST, 0.0, np.zeros_like(started), followed)
        carried, given = started.astype(np.float32), frozenset(clicked.id.tolist())
        item = TrackedObject(object_id, followed, history, carried, result, given)
        self._enter(item)
        if len(frames) == 1:
            self._settle(item, started, score)
        else:
            item.memory = self._segmenter.remember(frames[0], started, item.memory)
            self._carry_masks([item], frames)
            self._segment([item], frames[-1])
        return item.result

    def add_reference(self, image: np.ndarray, mask: np.ndarray, object_id: int | None = None) -> ObjectResult:
        """Look for an object that is known from a picture: it is LOST until it is seen, then REACQUIRED.

        image      (H, W, 3) uint8 RGB, of any size: the object as it looks, in surroundings as they are
        mask       (H, W) nonzero on the object
        object_id  as in add_object

        Raises FrameError or QueryError, saying what was expected, and then nothing has changed.
        """
        if not self._config.reacquire.enabled:
            raise QueryError("expected reacquire.enabled for an object known from a picture; it is false")
        seed = checked_mask(mask, check_image(image).shape[:2])
        object_id = self._checked_id(object_id)
        picture = Frame(_REFERENCE, image)
        looks = self._search.looks_in(picture, seed)
        memory = self._segmenter.remember(picture, seed, None)
        newest = self._frames[-1] if self._frames else picture
        nothing = np.zeros(newest.size, bool)
        result = ObjectResult(object_id, ObjectState.LOST, 0.0, nothing, Points.none())
        history = MaskHistory(0, newest.index, deque(maxlen=self._policy.memory))
        self._enter(TrackedObject(object_id, Points.none(), history, None, result, memory=memory, looks=looks))
        return result

    def add_points(
        self,
        object_id: int,
        points: Sequence[Sequence[float]] | np.ndarray,
        labels: Sequence[int] | np.ndarray | None = None,
        past: Sequence[np.ndarray] = (),
    ) -> ObjectResult:
        """Correct a tracked object with more points and return it as it is on the newest frame.

        Where a carried mask says what the object was until now, the clicks alone correct it, not the points drawn from
        the mask that was wrong; where they cannot, the object starts anew from them. From the corrected mask, if it is
        accepted, points are drawn anew.

        points, labels, past: as in add_object. Raises QueryError (UnknownObjectError for the id), and then nothing
        has changed.
        """
        item = self._known(object_id)
        frames = self._frames_since(past)
        query = Query.checked(frames[0].size, points, labels)
        added = self._points.follow(self._points.new(query.positive, query.negative), frames)
        item.points, item.clicked = item.points + added, item.clicked | frozenset(added.id.tolist())
        self._correct(item, frames[-1])
        if item.result.state.has_mask:
            self._redraw(item, item.result.mask, frames[-1:], keep=item.clicks)
            item.result = replace(item.result, points=item.points)
        return item.result

    def remove_object(self, object_id: int) -> None:
        """Stop tracking an object; raises UnknownObjectError."""
        self._points.forget(self._known(object_id).points)
        del self._objects[object_id]

    def _known(self, object_id: int) -> TrackedObject:
        if object_id not in self._objects:
            tracked = ", ".join(map(str, self._objects)) or "none"
            raise UnknownObjectError(f"expected the id of a tracked object ({tracked}); got {object_id}")
        return self._objects[object_id]

    def _checked_id(self, object_id: int | None) -> int:
        """The id of an object about to start."""
        if object_id is None:
            object_id = self._last_id + 1
        if not 1 <= object_id <= _MAX_ID:
            raise QueryError(f"expected an object id from 1 to {_MAX_ID}; got {object_id}")
        if object_id not in self._objects and len(self._objects) >= self._config.max_objects:
            raise QueryError(f"expected at most max_objects = {self._config.max_objects} objects; got one more")
        return object_id

    def _enter(self, item: TrackedObject) -> None:
        """Track an object, in place of any that had its id."""
        if item.id in self._objects:
            self._points.forget(self._objects[item.id].points)
        self._last_id = max(self._last_id, item.id)
        self._objects[item.id] = item

    def _move_points(self, image: np.ndarray, clock: StageClock) -> Frame:
        """The next frame, all points of all objects moved to it in one batch; if that fails, nothing has changed."""
        before = self._frames.copy()
        frame = self._next_frame(image)
        objects = list(self._objects.values())
        try:
            with clock("encoding"):
                if any(item.seen for item in objects):
                    self._segmenter.begin(frame)
            with clock("tracking"), self._segmenter.saving_memory():
                moved = self._points.update([item.points for item in objects], frame)
        except INFERENCE_ERRORS:
            self._frames = before
            raise
        for item, points in zip(objects, moved):
            item.points = points
        return frame

    def _next_frame(self, image: np.ndarray) -> Frame:
        check_image(image)
        newest = self._frames[-1] if self._frames else None
        if newest is not None and image.shape != newest.image.shape:
            raise FrameError(f"expected an image of {_wxh(newest.image)} like those before; got {_wxh(image)}")
        self._frames.append(Frame(newest.index + 1 if newest else 0, image))
        return self._frames[-1]

    def _frames_since(self, past: Sequence[np.ndarray]) -> list[Frame]:
        """The frame that a query lies on and all since, newest last; past images get indices below zero."""
        if not self._frames:
            raise QueryError("expected a frame before the first query; got none yet")
        newest = self._frames[-1]
        for image in past:
            if check_image(image).shape != newest.image.shape:
                raise QueryError(f"expected past images of {_wxh(newest.image)}; got {_wxh(image)}")
        self._late_frames += len(past)
        return [*(Frame(back - self._late_frames, image) for back, image in enumerate(past)), newest]

    def _carry_masks(self, objects: Iterable[TrackedObject], frames: Sequence[Frame]) -> None:
        """Move the last accepted masks from frames[0] to frames[-1]."""
        for item in objects:
            for previous, current in pairwise(frames):
                if not self._config.prompting.carry_mask:
                    item.carried = None  # left behind, and of no use if the option is switched on later
                elif item.carried is not None:
                    mask = item.carried.astype(np.float32, copy=False)
                    item.carried = self._points.tracker.carry(mask, previous, current)
            if item.carried is not None and np.count_nonzero(item.carried > 0.5) < _LEAST_CARRIED:
                item.carried = None  # worn away: from now on the points alone say where the object is

    def _first_mask(self, query: Query, frame: Frame) -> tuple[np.ndarray, float]:
        """The mask (H, W) bool that an object starts with, and its predicted IoU."""
        if query.mask is not None:
            return query.mask, 1.0
        single_click = len(query.xy) == 1 and query.box is None
        prompt = ObjectPrompt(query.positive, query.negative, box=query.box)
        mask, score = self._one_mask(prompt, frame, single_click)
        if not mask.any():
            raise QueryError("expected prompts on an object; the segmenter finds nothing there")
        return mask, score

    def _segment(self, objects: Sequence[TrackedObject], frame: Frame) -> None:
        """Give each of these objects its result on the newest frame."""
        seen = [item for item in objects if item.seen]
        for item in objects:
            if not item.seen:
                item.result = self._result(item, ObjectState.LOST, 0.0)
        if not seen:
            return
        prompts = [item.prompt(self._others(item), self._prior(item)) for item in seen]
        for item, found in zip(seen, self._segmenter.masks(frame, prompts, self._config.prompting.refinements)):
            self._settle(item, *found)

    def _correct(self, item: TrackedObject, frame: Frame) -> None:
        """Give an object with new clicks its result on the newest frame."""
        item.looks = None  # learned from masks that were wrong
        prior = self._prior(item)
        if prior is None or not item.seen:
            self._segment([item], frame)
            return
        # What is remembered may be of the mask that is wrong.
        prompt = replace(item.prompt(self._others(item), prior, clicks_alone=True), memory=None)
        mask, score = self._one_mask(prompt, frame)
        if item.disobeyed(mask) and len(prompt.positive):
            anew, rating = self._one_mask(replace(prompt, mask=None), frame)
            if item.disobeyed(anew) < item.disobeyed(mask):
                mask, score, item.memory = anew, rating, None
        self._settle(item, mask, score)

    def _one_mask(self, prompt: ObjectPrompt, frame: Frame, ambiguous: bool = False) -> tuple[np.ndarray, float]:
        """The mask (H, W) bool of one object, and its predicted IoU."""
        return self._segmenter.masks(frame, [prompt], self._config.prompting.refinements, ambiguous)[0]

    def _others(self, item: TrackedObject) -> np.ndarray:
        """(k, 2) the visible positive points of all objects but this one."""
        others = [other.points.visible_xy(POSITIVE) for other in self._objects.values() if other is not item]
        return np.concatenate(others) if others else np.zeros((0, 2), np.float32)

    def _prior(self, item: TrackedObject) -> np.ndarray | None:
        if item.carried is None or not self._config.prompting.carry_mask:
            return None
        return item.carried.astype(np.float32, copy=False)

    def _settle(self, item: TrackedObject, mask: np.ndarray, score: float) -> None:
        """Accept or refuse an object's mask (H, W) bool on the newest frame."""
        if not (score >= self._config.prompting.iou_threshold and mask.any()):  # a NaN is refused too
            item.result = self._result(item, ObjectState.UNCERTAIN, score)
            return
        item.result = self._result(item, ObjectState.TRACKING, min(score, 1.0), mask)
        item.history.started_area = item.history.started_area or item.result.area  # what a picture shows has none yet
        item.carried = mask
        item.memory = self._segmenter.remember(self._frames[-1], mask, item.memory)
        newest = self._frames[-1].index
        if item.history.accepted and item.history.accepted[-1].index == newest:  # corrected on the same frame
            item.history.accepted.pop()
        item.history.accepted.append(AcceptedMask(newest, mask, item.result.area))

    def _lose(self, item: TrackedObject) -> None:
        """Forget where an object was, but not what it looked like."""
        self._points.forget(item.points)
        item.points, item.clicked, item.carried = Points.none(), frozenset(), None
        item.history.accepted.clear()
        item.result = self._result(item, ObjectState.LOST, 0.0)

    def _restart(self, item: TrackedObject, mask: np.ndarray, score: float, frame: Frame) -> None:
        """Go on with an object that was found again, under its old id."""
        self._settle(item, mask, score)
        self._redraw(item, mask, [frame])
        item.history.since = frame.index
        item.result = replace(item.result, state=ObjectState.REACQUIRED, points=item.points)

    def _result(
        self, item: TrackedObject, state: ObjectState, score: float, mask: np.ndarray | None = None
    ) -> ObjectResult:
        if mask is None:
            mask = np.zeros(self._frames[-1].size, bool)
        return ObjectResult(item.id, state, score, mask, item.points)

    def _reinitialise(self, frame: Frame) -> None:
        """Draw fresh points where the policy says so, and bring them from the mask's frame to this one."""
        histories = {item.id: item.history for item in self._objects.values()}
        for name, accepted in self._policy.choose(frame.index, histories).items():
            frames = [buffered for buffered in self._frames if buffered.index >= accepted.index]
            item = self._objects[name]
            self._redraw(item, accepted.mask, frames)
            item.history.since = frame.index

    def _redraw(
        self, item: TrackedObject, mask: np.ndarray, frames: Sequence[Frame], keep: Points | None = None
    ) -> None:
        """Replace an object's points, but those to `keep`, by fresh ones from its mask (H, W) bool on frames[0]."""
        keep = Points.none() if keep is None else keep
        fresh = self._points.follow(self._points.draw(mask, frames[0]), frames)
        self._points.forget(item.points.at(~np.isin(item.points.id, keep.id)))
        item.points, item.clicked = keep + fresh, frozenset(keep.id.tolist())


def _wxh(image: np.ndarray) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
