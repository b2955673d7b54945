"""What is kept of the objects from one frame to the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE, Frame, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError, UnknownObjectError
from sampt_ros.tracking.mask_decoding import ObjectPrompt
from sampt_ros.tracking.reacquisition.drift import ObjectLooks
from sampt_ros.tracking.reacquisition.matching import Reacquisition
from sampt_ros.tracking.reinit import MaskHistory

_MAX_ID = 65535  # The label image is uint16.


@dataclass(eq=False)
class TrackedObject:
    """One object as SamPt keeps it.

    points           its points on the newest frame
    history          its accepted masks, for the re-initialisation policy
    propagated_mask  (H, W) float32 0..1: its last accepted mask, moved to the newest frame by the tracker, or what a
                     mask propagator finds there; bool where it is the newest frame's own; or None
    result           what the newest frame says of it
    clicked_ids      ids of those of its points that the user gave; the others were drawn from a mask
    certainty        0..1, how sure a mask propagator is of the propagated mask
    memory           what the segmenter remembers of it, or None
    looks            what it looked like, by which a mask that no longer is the object is told
    reacquisition    how to find it again, or None until its first mask was learned
    """

    id: int
    points: Points
    history: MaskHistory
    propagated_mask: np.ndarray | None
    result: ObjectResult
    clicked_ids: frozenset[int] = frozenset()
    certainty: float = 0.0
    memory: Any = None
    looks: ObjectLooks = field(default_factory=ObjectLooks)
    reacquisition: Reacquisition | None = None

    @classmethod
    def new(cls, object_id: int, points: Points, frame: Frame, lookback: int, started_area: int = 0) -> TrackedObject:
        """An object without a mask on `frame`.

        lookback      how many of its accepted masks are kept
        started_area  pixels of the mask it starts with
        """
        result = ObjectResult(object_id, ObjectState.LOST, 0.0, np.zeros(frame.size, bool), points)
        return cls(object_id, points, MaskHistory(started_area, frame.index, deque(maxlen=lookback)), None, result)

    def result_on(self, frame: Frame, state: ObjectState, score: float, mask: np.ndarray | None = None) -> ObjectResult:
        """What a frame says of it; without a mask (H, W) bool, an empty one."""
        return ObjectResult(self.id, state, score, np.zeros(frame.size, bool) if mask is None else mask, self.points)

    def forget_looks(self) -> None:
        """Forget what it looked like, and how sure its propagated mask is."""
        self.reacquisition, self.looks, self.certainty = None, ObjectLooks(), 0.0

    def lose_place(self) -> None:
        """Forget where it was, but not what it looked like."""
        self.points, self.clicked_ids, self.propagated_mask = Points.none(), frozenset(), None
        self.history.accepted.clear()
        self.looks = self.looks.lost()

    @property
    def has_visible_point(self) -> bool:
        """Whether a positive point is visible on the newest frame."""
        return len(self.points.visible_xy(POSITIVE)) > 0

    @property
    def is_known(self) -> bool:
        """Whether it can be found again by what it looks like."""
        return self.reacquisition is not None and self.reacquisition.appearance.is_known

    @property
    def clicks(self) -> Points:
        """Its points that the user gave."""
        return self.points.at(np.isin(self.points.id, list(self.clicked_ids)))

    def prompt(
        self, other_points: np.ndarray, mask_prompt: np.ndarray | None, clicks_only: bool = False
    ) -> ObjectPrompt[Any]:
        """The segmenter's prompt for it on the newest frame.

        other_points  (k, 2) float32 pixel xy: the other objects' visible positive points
        mask_prompt   (H, W) float32 0..1, or None
        clicks_only   leave out the points that were drawn from a mask
        """
        points = self.clicks if clicks_only else self.points
        positive, negative = points.visible_xy(POSITIVE), points.visible_xy(NEGATIVE)
        return ObjectPrompt(positive, negative, other_points, mask_prompt, memory=self.memory)

    def take_propagated_mask(self) -> bool:
        """Make the propagated mask the object's on the newest frame; False where there is none, or none to trust.

        The last frame's mask must have been accepted, and a positive point must be visible.
        """
        if self.propagated_mask is None or not self.result.state.has_mask or not self.has_visible_point:
            return False
        mask = self.propagated_mask > 0.5
        self.result = ObjectResult(self.id, ObjectState.TRACKING, self.result.score, mask, self.points)
        return True

    @contextmanager
    def undone_on_error(self) -> Iterator[None]:
        """Where an error ends what is inside, the object is as before."""
        before = copy(self)
        try:
            yield
        except Exception:
            vars(self).update(vars(before))
            raise

    def violated_clicks(self, mask: np.ndarray) -> int:
        """How many visible clicks a mask (H, W) bool contradicts: positive ones outside it, negative ones inside."""
        count = 0
        for label in (POSITIVE, NEGATIVE):
            xy = np.rint(self.clicks.visible_xy(label)).astype(int)
            x, y = np.clip(xy, 0, [mask.shape[1] - 1, mask.shape[0] - 1]).T
            count += int(np.count_nonzero(mask[y, x] != (label == POSITIVE)))
        return count


class ObjectTable:
    """The tracked objects by id, in the order in which they were added."""

    def __init__(self) -> None:
        self._objects: dict[int, TrackedObject] = {}
        self._last_id = 0

    def reset(self) -> None:
        """Forget all objects; ids begin at 1 again."""
        self._last_id = 0
        self.clear()

    def clear(self) -> None:
        """Forget all objects; their ids are not given to new ones."""
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

    @property
    def ids(self) -> list[int]:
        """The ids of all objects."""
        return list(self._objects)

    def free_id(self, wanted: int | None, max_objects: int) -> int:
        """The id for an object about to be added: the wanted one, or one never used before.

        Raises QueryError if it is not an id, or if `max_objects` others are tracked already.
        """
        object_id = self._last_id + 1 if wanted is None else wanted
        if not 1 <= object_id <= _MAX_ID:
            raise QueryError(f"expected an object id from 1 to {_MAX_ID}; got {object_id}")
        if object_id not in self._objects and len(self._objects) >= max_objects:
            raise QueryError(f"expected at most max_objects = {max_objects} objects; got one more")
        return object_id

    def put(self, tracked: TrackedObject) -> TrackedObject | None:
        """Add an object, and return the one with the same id that it takes the place of, if there is one."""
        self._last_id = max(self._last_id, tracked.id)
        replaced = self._objects.get(tracked.id)
        self._objects[tracked.id] = tracked
        return replaced

    def positive_points_of_others(self, tracked: TrackedObject) -> np.ndarray:
        """(k, 2) float32 pixel xy: the visible positive points of all objects but this one."""
        others = [other.points.visible_xy(POSITIVE) for other in self if other.id != tracked.id]
        return np.concatenate(others) if others else np.zeros((0, 2), np.float32)
