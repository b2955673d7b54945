"""One camera's stream through SamPt: stamps, late queries, clicks, odd frames. No ROS in it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sampt_ros.data_types import POSITIVE, FrameResult, ObjectResult, check_image
from sampt_ros.errors import QueryError
from sampt_ros.streaming.continuity import Change, Continuity, Objects
from sampt_ros.streaming.requests import Action, Answer, Reference, Request
from sampt_ros.tracking.sam_pt import SamPt

_MOST_SKIPPED = 64  # images that are kept before the first one is tracked
_MOST_KEPT = 256 * 2**20  # bytes of images that are kept for late queries, whatever the history


@dataclass(frozen=True, eq=False)
class _Kept:
    """An image of the past second; `stepped` if SamPt saw it."""

    stamp_ns: int
    load: Callable[[], np.ndarray]
    stepped: bool


class Session:
    """Feeds a camera's frames and queries to a SamPt.

    failed  what is known of the last frame, if its computation failed after SamPt had taken it in
    """

    def __init__(self, sam_pt: SamPt, history: float = 1.0) -> None:
        """history: seconds that images are kept, for queries that name one of them."""
        self.sam_pt = sam_pt
        self.history = history
        self._continuity = Continuity()
        self.reset()

    def reset(self) -> None:
        """Begin anew, ids included."""
        self.sam_pt.reset()
        self._continuity.begin_anew()
        self.failed: FrameResult | None = None
        self._forget_frames()

    def _forget_frames(self) -> None:
        self._kept: deque[_Kept] = deque()
        self._newest: FrameResult | None = None
        self._clicked: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the images; raises QueryError before the first."""
        if self._newest is None:
            raise QueryError("expected an image before the first query; got none yet")
        return self._newest.size

    @property
    def has_images(self) -> bool:
        """Whether an image was tracked since the start, or since the camera changed."""
        return self._newest is not None

    @property
    def newest(self) -> FrameResult | None:
        """What the newest image shows, with what queries have changed since."""
        return self._newest

    @property
    def newest_stamp_ns(self) -> int | None:
        """Stamp of the newest stepped frame."""
        return next((kept.stamp_ns for kept in reversed(self._kept) if kept.stepped), None)

    def remember(self, stamp_ns: int, load: Callable[[], np.ndarray]) -> None:
        """Keep an image that was skipped, since a query may name it."""
        latest = self._kept[-1].stamp_ns if self._kept else -1
        if latest < stamp_ns and self._continuity.is_near(stamp_ns):  # else an odd stamp, or a camera without stamps
            self._keep(_Kept(stamp_ns, load, False))

    def observe(self, stamp_ns: int, image: np.ndarray) -> Change | None:
        """Whether the next frame, (H, W, 3) uint8 RGB, shows that its stream has changed; `step` comes after it.

        Raises FrameError if the frame cannot be used; then it is as if it had never come.
        """
        change = self._continuity.check(stamp_ns, check_image(image).shape)
        if change is None or change.objects is Objects.KEPT:
            if self._kept and self._kept[-1].stamp_ns > stamp_ns:
                self._kept.clear()  # their stamps are of another time
            return change
        if change.objects is Objects.DROPPED:
            self.sam_pt.forget()
        elif self.has_images and (dropped := self.sam_pt.look_again()):
            names = ", ".join(map(str, dropped))
            change = replace(change, news=f"{change.news}; dropped, as nothing would tell them from the rest: {names}")
        self._forget_frames()
        return change

    def step(self, stamp_ns: int, image: np.ndarray) -> FrameResult:
        """Track all objects to a frame that was observed; raises what SamPt.step raises, and then `failed` is set."""
        before, self.failed = self.sam_pt.frame_index, None
        try:
            self._newest = self.sam_pt.step(image)
        except Exception:
            if self.sam_pt.frame_index > before:  # SamPt goes on from this frame, so queries must find it here.
                self._newest = self.failed = self.sam_pt.newest_result
                self._keep(_Kept(stamp_ns, lambda: image, True))
            raise
        self._keep(_Kept(stamp_ns, lambda: image, True))
        return self._newest

    def answer(self, request: Request) -> Answer:
        """Carry out a request; returns what was done. Raises QueryError, or FrameError if its image is damaged."""
        name = request.object_id
        if request.action == Action.REMOVE:
            self.sam_pt.remove_object(name)
            return Answer(f"object {name} removed")
        request, changes = request.fitted(self.size)
        past = self._past(request.stamp_ns)
        if name and request.action == Action.ADD:
            if name not in self.sam_pt.object_ids:
                tracked = ", ".join(map(str, self.sam_pt.object_ids)) or "none"
                raise QueryError(
                    f"expected object_id 0 for a new object, or a tracked one ({tracked}); got {name}; "
                    "REPLACE starts an object under an id of your choice"
                )
            if request.box is not None or request.mask is not None:
                raise QueryError("expected only points for an object that is tracked; use REPLACE for a box or mask")
            return self._noted("corrected", self.sam_pt.add_points(name, request.points, request.labels, past))
        started = self.sam_pt.add_object(request.points, request.labels, request.box, request.mask, name or None, past)
        return self._noted("started", started, changes)

    def start(self, begin: Callable[[SamPt], ObjectResult]) -> Answer:
        """Let `begin` start an object, or look for one; raises what that raises."""
        return self._noted("started", begin(self.sam_pt))

    def refer(self, reference: Reference) -> Answer:
        """Look for an object known from a picture; returns what was done.

        Raises what SamPt.add_reference raises, and QueryError where the picture has no mask.
        """
        mask = reference.mask
        if mask is None:
            raise QueryError("expected a mask of the object in the reference picture; got none")
        answer = self.start(lambda sam_pt: sam_pt.add_reference(reference.image, mask, reference.object_id))
        return replace(answer, text=f"object {reference.object_id}: looked for")

    def click(self, xy: tuple[float, float], label: int, extend: bool = False, stamp_ns: int = 0) -> Answer:
        """A single click at pixel xy; returns what was done, or raises QueryError.

        A click on an object's mask corrects that object. Beside all masks a negative one belongs to the object clicked
        last, and so does a positive one if `extend`; otherwise it starts an object.
        """
        name = self._object_at(xy)
        if not name and (label != POSITIVE or extend):
            name = self._clicked if self._clicked in self.sam_pt.object_ids else None
        if name is None and label != POSITIVE:
            raise QueryError("expected a background click on an object's mask, or after a click on an object")
        request = Request(Action.ADD, name or 0, np.array([xy], np.float32), np.array([label]), stamp_ns=stamp_ns)
        done = self.answer(request)
        self._clicked = name or self.sam_pt.object_ids[-1]
        return done

    def stamp_current_at(self, stamp_ns: int) -> int:
        """Stamp of the kept image that was the newest at `stamp_ns` (0: of the newest stepped one)."""
        return self._kept[self._index(stamp_ns)].stamp_ns

    def _noted(self, done: str, item: ObjectResult, changes: Sequence[str] = ()) -> Answer:
        """The answer for an object's new result; the next click may be on its mask, before the next frame comes."""
        if self._newest is not None:
            others = {other.id: other for other in self._newest.objects}
            self._newest = replace(self._newest, objects=tuple((others | {item.id: item}).values()))
        text = f"{done} object {item.id}: {item.state.name}, {item.area} px, score {item.score:.2f}"
        return Answer("; ".join([text, *changes]), item)

    def _object_at(self, xy: tuple[float, float]) -> int | None:
        """The object whose newest mask covers a pixel."""
        if self._newest is None:
            return None
        x, y = (int(np.floor(value + 0.5)) for value in np.nan_to_num(xy, nan=-1, posinf=-1, neginf=-1))
        height, width = self._newest.size
        name = int(self._newest.labels[y, x]) if 0 <= x < width and 0 <= y < height else 0
        return name if name in self.sam_pt.object_ids else None

    def _keep(self, kept: _Kept) -> None:
        if self._kept and self._kept[-1].stamp_ns == kept.stamp_ns:  # a camera that does not stamp its images
            self._kept.pop()
        self._kept.append(kept)
        # Counted back from the newest stepped frame, so that this one is kept however many are skipped after it.
        newest = self.newest_stamp_ns
        if newest is None or self._newest is None:  # nothing was tracked yet: a query can name none of these
            while len(self._kept) > _MOST_SKIPPED:
                self._kept.popleft()
            return
        oldest = newest - round(self.history * 1e9)  # a float of nanoseconds would be off by more than a hundred
        most = max(2, _MOST_KEPT // (3 * math.prod(self._newest.size)))
        while self._kept[0].stamp_ns < oldest or (len(self._kept) > most and self._kept[0].stamp_ns < newest):
            self._kept.popleft()

    def _index(self, stamp_ns: int) -> int:
        """Where in the history the image is that was current at `stamp_ns`."""
        stepped = [row for row, kept in enumerate(self._kept) if kept.stepped]
        if not stepped:
            raise QueryError("expected an image before the first query; got none yet")
        if stamp_ns == 0:
            return stepped[-1]
        older = [row for row, kept in enumerate(self._kept) if kept.stamp_ns <= stamp_ns]
        if not older:
            oldest, newest = self._kept[0].stamp_ns / 1e9, self._kept[-1].stamp_ns / 1e9
            raise QueryError(
                f"expected the stamp of an image kept, {oldest:.3f} to {newest:.3f}; got {stamp_ns / 1e9:.3f}"
            )
        return min(older[-1], stepped[-1])

    def _past(self, stamp_ns: int) -> list[np.ndarray]:
        """The image that was current at `stamp_ns` and the stepped ones since, without the newest stepped."""
        clicked = self._index(stamp_ns)
        since = [row for row, kept in enumerate(self._kept) if row > clicked and kept.stepped]
        return [self._kept[row].load() for row in [clicked, *since][:-1]]
