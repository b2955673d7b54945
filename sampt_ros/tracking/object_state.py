"""The state of the tracked objects that is kept from frame to frame."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError, UnknownObjectError
from sampt_ros.tracking.mask_decoding import ObjectPrompt
from sampt_ros.tracking.masks.reliability import Reliability
from sampt_ros.tracking.queries import Query
from sampt_ros.tracking.reacquisition.drift import ObjectLooks
from sampt_ros.tracking.reacquisition.matching import Reacquisition
from sampt_ros.tracking.reinit import MaskHistory

_MAX_ID = 65535  # The label image is uint16.
_COVERED = 0.7  # An object of whose mask another one covers a larger share is a part of that one.


@dataclass(eq=False)
class TrackedObject:
    """The state of one tracked object.

    points           its points on the newest frame
    history          its accepted masks, for the re-initialisation policy
    propagated_mask  its last accepted mask, moved to the newest frame by the tracker or found there by a mask
                     propagator; of bool if it is the newest frame's own mask; or None
    result           its result on the newest frame
    clicked_ids      ids of its points that the user gave; the others were sampled from a mask
    certainty        0..1, the mask propagator's certainty of the propagated mask
    reliability      how good its masks were since its start or its last correction
    memory           the segmenter's memory of it, or None
    looks            its recent appearance, by which drifted masks are detected
    reacquisition    what is needed to find it again, or None until its first mask has been learned
    wholes           ids of the objects of which it is a part; two that are parts of each other are on the same thing
    """

    id: int
    points: Points
    history: MaskHistory
    propagated_mask: LocalMask | None
    result: ObjectResult
    clicked_ids: frozenset[int] = frozenset()
    certainty: float = 0.0
    reliability: Reliability = field(default_factory=Reliability)
    memory: Any = None
    looks: ObjectLooks = field(default_factory=ObjectLooks)
    reacquisition: Reacquisition | None = None
    wholes: frozenset[int] = frozenset()

    @classmethod
    def new(cls, object_id: int, points: Points, frame: Frame, lookback: int, started_area: int = 0) -> TrackedObject:
        """An object without a mask on `frame`.

        lookback      number of its accepted masks to keep
        started_area  area of its first mask, pixels
        """
        result = ObjectResult(object_id, ObjectState.LOST, 0.0, LocalMask.empty(frame.size), points.copy())
        return cls(object_id, points, MaskHistory(started_area, frame.index, deque(maxlen=lookback)), None, result)

    def result_with(self, mask: LocalMask) -> ObjectResult:
        """Its result on the frame on which it has this mask of bool, after its `reliability` took that in."""
        return self._result(ObjectState.TRACKING, self.reliability.score, mask)

    def result_without_mask(self, frame: Frame, state: ObjectState, score: float) -> ObjectResult:
        """Its result on a frame on which it has no mask, or a refused one of this score."""
        return self._result(state, score, LocalMask.empty(frame.size))

    def _result(self, state: ObjectState, score: float, mask: LocalMask) -> ObjectResult:
        """Its result, in arrays by which whoever gets it cannot change the object."""
        return ObjectResult(self.id, state, score, mask.read_only(), self.points.copy())

    def correction(self, query: Query) -> Query:
        """The new points, if they can correct it.

        Raises QueryError if they say only where it is not, while it is sought by what is known of it.
        """
        if self.result.state.has_mask or len(query.positive) or not (self.is_known or self.looks.views):
            return query
        raise QueryError(
            f"expected a positive point, on object {self.id}, which has no mask on the newest image "
            f"({self.result.state.name}); got {len(query.xy)} negative only"
        )

    def forget_looks(self) -> None:
        """Forget its appearance, how good its masks were, and the certainty of its propagated mask."""
        self.reacquisition, self.looks, self.certainty, self.reliability = None, ObjectLooks(), 0.0, Reliability()

    def lose_place(self) -> None:
        """Forget its position, but not its appearance."""
        self.points, self.clicked_ids, self.propagated_mask = Points.none(), frozenset(), None
        self.history.accepted.clear()
        self.looks = self.looks.lost()

    @property
    def has_visible_point(self) -> bool:
        """Whether a positive point is visible on the newest frame."""
        return len(self.points.visible_xy(POSITIVE)) > 0

    @property
    def is_known(self) -> bool:
        """Whether it can be found again by its appearance."""
        return self.reacquisition is not None and self.reacquisition.appearance.is_known

    @property
    def known_mask(self) -> LocalMask | None:
        """Of bool: its mask on the newest frame, or else its last accepted one, moved there; None without any."""
        if self.result.state.has_mask:
            return self.result.local_mask
        return None if self.propagated_mask is None else self.propagated_mask.on_object

    def set_part_of(self, object_id: int, is_part: bool) -> None:
        """Note whether it is a part of another object."""
        self.wholes = self.wholes | {object_id} if is_part else self.wholes - {object_id}

    @property
    def clicks(self) -> Points:
        """Its points that the user gave."""
        return self.points.at(np.isin(self.points.id, list(self.clicked_ids)))

    def prompt(
        self, rival_points: np.ndarray, mask_prompt: LocalMask | None, clicks_only: bool = False
    ) -> ObjectPrompt[Any]:
        """The segmenter's prompt for it on the newest frame.

        rival_points  (k, 2) float32 pixel xy: the visible positive points of its rivals
        mask_prompt   its last accepted mask, moved to the newest frame, or None
        clicks_only   leave out the points that were sampled from a mask
        """
        points = self.clicks if clicks_only else self.points
        positive, negative = points.visible_xy(POSITIVE), points.visible_xy(NEGATIVE)
        return ObjectPrompt(
            positive, negative, rival_points, mask_prompt, memory=self.memory, id=self.id, wholes=self.wholes
        )

    def take_propagated_mask(self) -> bool:
        """Use the propagated mask as the object's mask on the newest frame; returns False if that is not possible.

        The last frame's mask must have been accepted, and a positive point must be visible.
        """
        if self.propagated_mask is None or not self.result.state.has_mask or not self.has_visible_point:
            return False
        self.result = self._result(ObjectState.TRACKING, self.result.score, self.propagated_mask.on_object)
        return True

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Restore the object's state if an error or an interrupt ends a block."""
        before = copy(self)
        before.history = replace(self.history, accepted=self.history.accepted.copy())  # It is modified in place.
        try:
            yield
        except BaseException:
            vars(self).update(vars(before))
            raise

    def violated_clicks(self, mask: LocalMask) -> int:
        """The number of visible clicks that a mask contradicts: positive outside it, negative inside."""
        on_object, count = mask.on_object.whole(), 0
        for label in (POSITIVE, NEGATIVE):
            xy = np.rint(self.clicks.visible_xy(label)).astype(int)
            x, y = np.clip(xy, 0, [on_object.shape[1] - 1, on_object.shape[0] - 1]).T
            count += int(np.count_nonzero(on_object[y, x] != (label == POSITIVE)))
        return count


class ObjectTable:
    """The tracked objects by id, in the order in which they were added."""

    def __init__(self) -> None:
        self._objects: dict[int, TrackedObject] = {}
        self._used: set[int] = set()  # ids that objects have or had

    def reset(self) -> None:
        """Forget all objects; ids start from 1 again."""
        self._used.clear()
        self.clear()

    def clear(self) -> None:
        """Forget all objects; their ids are not reused."""
        self._objects.clear()

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[TrackedObject]:
        return iter(self._objects.values())

    def __getitem__(self, object_id: int) -> TrackedObject:
        """The object with this id; raises UnknownObjectError."""
        if object_id not in self._objects:
            known_ids = ", ".join(map(str, self._objects)) or "none"
            raise UnknownObjectError(f"expected the id of a tracked object ({known_ids}); got {object_id}")
        return self._objects[object_id]

    def __delitem__(self, object_id: int) -> None:
        del self._objects[object_id]
        self._separate(object_id)

    @property
    def ids(self) -> list[int]:
        """The ids of all objects."""
        return list(self._objects)

    def free_id(self, wanted: int | None, max_objects: int) -> int:
        """The id for an object about to be added: the wanted one, or one never used before.

        Raises QueryError if it is not an id, if all were used, or if `max_objects` others are tracked already.
        """
        object_id = self._unused_id() if wanted is None else wanted
        if not isinstance(object_id, Integral) or isinstance(object_id, bool) or not 1 <= object_id <= _MAX_ID:
            raise QueryError(f"expected an object id from 1 to {_MAX_ID}; got {object_id!r}")
        if object_id not in self._objects and len(self._objects) >= max_objects:
            raise QueryError(f"expected at most max_objects = {max_objects} objects; got one more")
        return int(object_id)

    def _unused_id(self) -> int:
        """The one after the highest that was ever used, or the lowest one that was not."""
        highest = max(self._used, default=0)
        if highest < _MAX_ID:
            return highest + 1
        for object_id in range(1, _MAX_ID):
            if object_id not in self._used:
                return object_id
        raise QueryError(f"expected one of the ids 1 to {_MAX_ID} for a new object; got none that was never used")

    @contextmanager
    def undone_on_error(self, changing: TrackedObject) -> Iterator[None]:
        """Restore an object's state, and of which others each is a part, if an error or an interrupt ends a block."""
        wholes = {other.id: other.wholes for other in self}
        try:
            with changing.undone_on_error():
                yield
        except BaseException:
            for other in self:
                other.wholes = wholes.get(other.id, other.wholes)
            raise

    def put(self, tracked: TrackedObject) -> TrackedObject | None:
        """Add an object; returns the object of the same id that it replaces, if there is one."""
        self._separate(tracked.id)
        self.compare(tracked)
        self._used.add(tracked.id)
        replaced = self._objects.get(tracked.id)
        self._objects[tracked.id] = tracked
        return replaced

    def compare(self, tracked: TrackedObject) -> None:
        """Decide by their masks on the newest frame of which objects this one is a part, and the reverse.

        Call this where a person has said what it is: masks that overlap later may be wrong. Its relations to objects
        without a mask, such as lost ones, stay as they are; one that is known from a picture only has none.
        """
        if (mask := tracked.known_mask) is None:
            return
        for other in self:
            if other.id == tracked.id or (other_mask := other.known_mask) is None:
                continue
            tracked.set_part_of(other.id, covers(other_mask, mask))
            other.set_part_of(tracked.id, covers(mask, other_mask))

    @property
    def wholes(self) -> dict[int, frozenset[int]]:
        """By the id of an object that is a smaller part of others: their ids."""
        found: dict[int, frozenset[int]] = {}
        for part in self:
            # An object that was compared need not be here: adding it may have failed afterwards.
            known = part.wholes & self._objects.keys()
            if wholes := frozenset(whole for whole in known if part.id not in self._objects[whole].wholes):
                found[part.id] = wholes
        return found

    def rivals(self, tracked: TrackedObject) -> list[TrackedObject]:
        """The objects of which none is a part of the other: what is on one of them is not on the other."""
        return [
            other
            for other in self
            if other.id != tracked.id and other.id not in tracked.wholes and tracked.id not in other.wholes
        ]

    def positive_points_of_rivals(self, tracked: TrackedObject) -> np.ndarray:
        """(k, 2) float32 pixel xy: the visible positive points of an object's rivals."""
        rivals = [rival.points.visible_xy(POSITIVE) for rival in self.rivals(tracked)]
        return np.concatenate(rivals) if rivals else np.zeros((0, 2), np.float32)

    def masks_of_rivals(self, tracked: TrackedObject) -> np.ndarray:
        """(H, W) bool: the masks of an object's rivals on the newest frame."""
        occupied = np.zeros(tracked.result.local_mask.image_size, bool)
        for rival in self.rivals(tracked):
            occupied[rival.result.local_mask.rectangle] |= rival.result.local_mask.values
        return occupied

    def _separate(self, object_id: int) -> None:
        """Forget of which objects one with this id was a whole: it has ended."""
        for other in self:
            other.set_part_of(object_id, False)


def covers(whole: LocalMask, part: LocalMask) -> bool:
    """Whether a mask covers so much of another one, both of bool, that the other one's object is a part of its own."""
    return bool(np.count_nonzero(part.part(*whole.rectangle) & whole.values) > _COVERED * part.area)


def coincide(one: LocalMask, other: LocalMask) -> bool:
    """Whether two masks of bool cover so much of each other that their objects are on the same thing."""
    return covers(one, other) and covers(other, one)
