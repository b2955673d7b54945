"""One camera's stream through SamPt: stamps, late queries, clicks, frames out of order. Independent of ROS."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from operator import attrgetter

import numpy as np

from sampt_ros.data_types import POSITIVE, FrameResult, ObjectResult, check_image
from sampt_ros.errors import QueryError
from sampt_ros.streaming.continuity import Change, Continuity, ObjectHandling
from sampt_ros.streaming.kept_image import Beginning, KeptImage, bare, count_covering, label_at, without_object
from sampt_ros.streaming.requests import Action, Answer, Reference, Request
from sampt_ros.tracking.object_state import coincide
from sampt_ros.tracking.sam_pt import SamPt

_MAX_SKIPPED = 64  # images kept before the first one is tracked
MAX_KEPT_BYTES = 256 * 2**20  # of images kept for late queries, whatever the history


class Session:
    """Feeds a camera's frames and queries to a SamPt.

    failed  the partial result of the last frame, if its computation failed after SamPt had advanced to it
    """

    def __init__(self, sam_pt: SamPt, history: float = 1.0) -> None:
        """history: seconds that images are kept, for queries that refer to one of them."""
        self.sam_pt = sam_pt
        self.history = history
        self._continuity = Continuity()
        self._kept: deque[KeptImage] = deque()
        self._before_reset: tuple[deque[KeptImage], Continuity] | None = None  # until the next image
        self.reset()

    def reset(self) -> None:
        """Drop all objects; object ids start again from 1.

        Until the next image comes, queries may refer to those so far. Unless one did, the next image may be of any
        stamp and size.
        """
        before = self._before_reset
        if self.newest_stamp_ns is not None:
            before = self._kept, copy(self._continuity)
        self.sam_pt.reset()
        self._continuity.reset()
        self.failed: FrameResult | None = None
        self._clicked: int | None = None  # Only if it is still tracked.
        self._forget_frames()
        self._before_reset = before

    def _forget_frames(self) -> None:
        self._kept, self._before_reset = deque(), None
        self._newest: FrameResult | None = None
        self._begun: dict[int, Beginning] = {}  # by object id

    def _recall(self) -> None:
        """Go on from the newest image before a reset, if none has come since."""
        if self._before_reset is None:
            return
        images, continuity = self._before_reset
        newest = next(kept for kept in reversed(images) if kept.stepped)
        self._newest = self.sam_pt.step(newest.load())
        # The masks before the reset were of other objects.
        nothing = FrameResult(-1, self._newest.size)
        self._kept = deque(replace(kept, result=nothing) if kept.stepped else kept for kept in images)
        self._continuity, self._before_reset = continuity, None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images; raises QueryError before the first."""
        self._recall()
        if self._newest is None:
            raise QueryError("expected an image before the first query; got none yet")
        return self._newest.size

    @property
    def has_images(self) -> bool:
        """Whether an image was tracked since the start, or since the camera changed, to which a query may refer."""
        return self._newest is not None or self._before_reset is not None

    @property
    def newest(self) -> FrameResult | None:
        """The result of the newest image, updated by the queries since."""
        return self._newest

    @property
    def newest_stamp_ns(self) -> int | None:
        """Stamp of the newest stepped frame."""
        row = self._newest_row
        return None if row is None else self._kept[row].stamp_ns

    @property
    def _newest_row(self) -> int | None:
        """Index in `_kept` of the newest stepped frame."""
        return next((row for row in reversed(range(len(self._kept))) if self._kept[row].stepped), None)

    def remember(self, stamp_ns: int, load: Callable[[], np.ndarray], nbytes: int = 0) -> None:
        """Keep an image of `nbytes` bytes that was skipped, since a query may refer to it."""
        is_new = all(kept.stamp_ns != stamp_ns for kept in self._kept)  # else of a camera without stamps, or sent twice
        if is_new and self._continuity.is_near(stamp_ns):
            self._keep(KeptImage(stamp_ns, load, nbytes))

    def observe(self, stamp_ns: int, image: np.ndarray, following_ns: Sequence[int] | None = None) -> Change | None:
        """Check the next frame, (H, W, 3) uint8 RGB, against the stream so far; call this before `step`.

        following_ns: stamps of some frames after it, in a recording; they tell a long pause from a wrong stamp.

        Returns the change of the stream that the frame confirms, if any, and handles the objects accordingly. Raises
        FrameError if the frame cannot be used; it then has no effect.
        """
        change = self._continuity.check(stamp_ns, check_image(image).shape, following_ns)
        self._before_reset = None
        if change is None or change.handling is ObjectHandling.KEEP:
            # What is ahead came before: from before a jump back or, if it was skipped, out of order or wrongly stamped.
            while self._kept and self._kept[-1].stamp_ns > stamp_ns:
                self._kept.pop()
            return change
        if change.handling is ObjectHandling.DROP:
            self.sam_pt.forget()
        elif self.has_images and (dropped := self.sam_pt.look_again()):
            names = ", ".join(map(str, dropped))
            lost = f"dropped, as nothing would tell them from the rest: {names}"
            change = replace(change, message=f"{change.message}; {lost}")
        self._forget_frames()
        return change

    def step(self, stamp_ns: int, image: np.ndarray) -> FrameResult:
        """Track all objects to a frame that was observed. Raises what SamPt.step raises, after setting `failed`."""
        before, self.failed = self.sam_pt.frame_index, None
        try:
            self._newest = self.sam_pt.step(image)
        except BaseException:
            if self.sam_pt.frame_index > before:  # SamPt continues from this frame, so queries must find it here.
                self._newest = self.failed = self.sam_pt.newest_result
                self._keep(KeptImage.of_frame(stamp_ns, image, self.failed, failed=True))
            elif stamp_ns != self.newest_stamp_ns:  # else of a camera without stamps
                self._keep(KeptImage(stamp_ns, lambda: image, image.nbytes))
            raise
        self._keep(KeptImage.of_frame(stamp_ns, image, self._newest))
        return self._newest

    def answer(self, request: Request) -> Answer:
        """Carry out a request and return the answer. Raises QueryError, or FrameError if its image is damaged."""
        object_id = request.object_id
        if request.action == Action.REMOVE:
            self.sam_pt.remove_object(object_id)
            self._newest = None if self._newest is None else without_object(self._newest, object_id)
            self._forget_masks(object_id)
            return Answer(f"object {object_id} removed")
        request, changes = request.fitted(self.size)
        past = self._past(request.stamp_ns)
        changes = [*changes, *self._lateness(request.stamp_ns)]
        if object_id and request.action == Action.ADD:
            if object_id not in self.sam_pt.object_ids:
                tracked = ", ".join(map(str, self.sam_pt.object_ids)) or "none"
                raise QueryError(
                    f"expected object_id 0 for a new object, or a tracked one ({tracked}); got {object_id}; "
                    "REPLACE starts an object under an id of your choice"
                )
            if request.box is not None or request.mask is not None:
                raise QueryError("expected only points for an object that is tracked; use REPLACE for a box or mask")
            corrected = self.sam_pt.add_points(object_id, request.points, request.labels, past)
            return self._update("corrected", corrected, changes)
        begun_ns = self.stamp_current_at(request.stamp_ns)
        started = self.sam_pt.add_object(
            request.points, request.labels, request.box, request.mask, object_id or None, past
        )
        answer = self._started(started, changes)
        self._begun[started.id] = Beginning(begun_ns, _displacement(request, started))
        return answer

    def start(self, begin: Callable[[SamPt], ObjectResult]) -> Answer:
        """Start an object, or the search for one, by calling `begin`; raises what that raises."""
        return self._started(begin(self.sam_pt))

    def add_reference(self, reference: Reference) -> Answer:
        """Search for the object of a reference picture from now on, and return the answer, which has its id.

        Raises what SamPt.add_reference raises, and QueryError if the reference has no mask.
        """
        mask = reference.mask
        if mask is None:
            raise QueryError("expected a mask of the object in the reference picture; got none")
        item = self.sam_pt.add_reference(reference.image, mask, reference.object_id or None)
        return replace(self._started(item), text=f"object {item.id}: searched for")

    def click(self, xy: tuple[float, float], label: int, extend: bool = False, stamp_ns: int = 0) -> Answer:
        """Carry out a single click at pixel xy and return the answer; raises QueryError.

        A click on an object's mask, as it was in the image of the stamp, corrects that object. If that image was
        skipped, or its computation failed, the masks before and after it count, moved evenly between them; a click that
        may be on several objects is refused. A click outside all masks applies to the object clicked last if it is
        negative or `extend` is set; otherwise it starts a new object.
        """
        object_id = self._object_at(xy, stamp_ns)
        if not object_id and (label != POSITIVE or extend):
            object_id = self._clicked if self._clicked in self.sam_pt.object_ids else None
        if object_id is None and label != POSITIVE:
            raise QueryError("expected a background click on an object's mask, or after a click on an object")
        request = Request(Action.ADD, object_id or 0, np.array([xy], np.float32), np.array([label]), stamp_ns=stamp_ns)
        answer = self.answer(request)
        self._clicked = object_id or self.sam_pt.object_ids[-1]
        return answer

    def stamp_current_at(self, stamp_ns: int) -> int:
        """Stamp of the kept image that was the newest at `stamp_ns` (0: of the newest stepped one)."""
        return self._kept[self._index(stamp_ns)].stamp_ns

    def _started(self, item: ObjectResult, changes: Sequence[str] = ()) -> Answer:
        """Put a new object into the newest result; returns the answer."""
        self._forget_masks(item.id)
        return self._update("started", item, changes)

    def _forget_masks(self, object_id: int) -> None:
        """Forget where an object was on past images: none has its id any more, or another one."""
        self._kept = deque(kept.without(object_id) for kept in self._kept)
        self._begun.pop(object_id, None)

    def _update(self, done: str, item: ObjectResult, changes: Sequence[str] = ()) -> Answer:
        """Put an object's new result into the newest frame's, which the next click may refer to; returns the answer."""
        if self._newest is not None:
            others = {other.id: other for other in self._newest.objects}
            objects, wholes = tuple((others | {item.id: item}).values()), self.sam_pt.newest_result.wholes
            self._newest = replace(self._newest, objects=objects, wholes=wholes)
            if (row := self._newest_row) is not None:
                self._kept[row] = replace(self._kept[row], result=bare(self._newest))
        text = f"{done} object {item.id}: {item.state.name}, {item.area} px, score {item.score:.2f}"
        return Answer("; ".join([text, *changes]), item, item.id)

    def _object_at(self, xy: tuple[float, float], stamp_ns: int) -> int | None:
        """The id of the object that covers a pixel of the image that was current at `stamp_ns`, if any.

        Where an object's mask of that image is not known, those before and after it count. Raises QueryError if several
        objects may be meant.
        """
        if self._newest is None:
            return None
        row = self._index(stamp_ns)
        clicked = self._kept[row]
        result = self._newest if row == self._newest_row else clicked.result
        if result is not None and (object_id := label_at(result, xy)) in self.sam_pt.object_ids:
            return object_id
        # It was skipped, or its computation failed; or the objects were started since.
        unknown = [each for each in self.sam_pt.object_ids if not clicked.knows(each)]
        covering = {each: count_covering(self._kept, each, clicked, xy, self._begun.get(each)) for each in unknown}
        surest = [each for each in unknown if covering[each] == max(1, *covering.values())]
        wholes = {whole for each in surest for whole in self._newest.wholes.get(each, ())}
        found = [each for each in surest if each not in wholes]  # A part is shown on its whole.
        masks = {item.id: item.local_mask for item in self._newest.objects}
        if any(not coincide(masks[found[0]], masks[other]) for other in found[1:]):
            several = " or ".join(map(str, found))
            raise QueryError(
                f"expected a click on one object; got one that may be on {several}, as their masks of that image were "
                "not computed: click on a newer image"
            )
        return found[0] if found else None

    def _keep(self, kept: KeptImage) -> None:
        """Keep an image in the order of stamps, and discard the oldest ones."""
        if self._kept and self._kept[-1].stamp_ns == kept.stamp_ns:  # a camera that does not stamp its images
            self._kept.pop()
        insort(self._kept, kept, key=attrgetter("stamp_ns"))
        # The history ends at the newest stepped frame, so that it is kept however many are skipped after it.
        newest = self.newest_stamp_ns
        if newest is None or self._newest is None:  # nothing was tracked yet, so no query can refer to any of these
            while len(self._kept) > _MAX_SKIPPED:
                self._kept.popleft()
            return
        oldest = newest - round(self.history * 1e9)  # a float of nanoseconds would be off by more than a hundred
        while self._kept[0].stamp_ns < oldest:
            self._kept.popleft()
        nbytes = sum(image.nbytes for image in self._kept)
        while nbytes > MAX_KEPT_BYTES and len(self._kept) > 2:
            first = 1 if self._kept[0].stamp_ns == newest else 0
            nbytes -= self._kept[first].nbytes
            del self._kept[first]

    def _index(self, stamp_ns: int) -> int:
        """Index in `_kept` of the image that was current at `stamp_ns`; raises QueryError if it is not kept."""
        self._recall()
        newest_row = self._newest_row
        if newest_row is None:
            raise QueryError("expected an image before the first query; got none yet")
        if stamp_ns == 0:
            return newest_row
        older = [row for row, kept in enumerate(self._kept) if kept.stamp_ns <= stamp_ns]
        if not older:
            oldest, newest = self._kept[0].stamp_ns / 1e9, self._kept[-1].stamp_ns / 1e9
            raise QueryError(
                f"expected the stamp of an image kept, {oldest:.3f} to {newest:.3f}; got {stamp_ns / 1e9:.3f}"
            )
        return min(older[-1], newest_row)

    def _lateness(self, stamp_ns: int) -> list[str]:
        """What there is to say of a query whose stamp is ahead of all images."""
        newest = self.newest_stamp_ns
        if not stamp_ns or newest is None or stamp_ns <= newest:
            return []
        return [f"on the newest image, {(stamp_ns - newest) / 1e9:.3f} s older than the query's stamp"]

    def _past(self, stamp_ns: int) -> list[np.ndarray]:
        """The image that was current at `stamp_ns` and the stepped ones since, without the newest."""
        clicked = self._index(stamp_ns)
        image = self._kept[clicked].load()
        while image.shape[:2] != self.size:  # It was skipped, so nothing has told yet that it is not of this stream.
            del self._kept[clicked]
            clicked = self._index(stamp_ns)
            image = self._kept[clicked].load()
        since = [kept.load() for row, kept in enumerate(self._kept) if row > clicked and kept.stepped]
        return [image, *since][:-1]


def _displacement(request: Request, started: ObjectResult) -> np.ndarray:
    """(2,) pixel xy: how far an object's first point moved from the query's image to the newest one; 0 if unknown."""
    if request.points is None or not len(request.points) or not len(started.points):
        return np.zeros(2)
    labels = np.full(len(request.points), POSITIVE) if request.labels is None else np.asarray(request.labels)
    positive = np.asarray(request.points, float)[labels == POSITIVE]
    return started.points.xy[0] - positive[0] if len(positive) else np.zeros(2)
