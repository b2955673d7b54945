"""Learns what objects look like on a separate thread, while the next frames are tracked.

To describe a whole frame and solve a regression takes longer than tracking a frame. The result is used a fixed number
of frames later, so that the same video always gives the same masks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sampt_ros.data_types import LocalMask
from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.reacquisition.appearance import MaskedCells
from sampt_ros.tracking.reacquisition.matching import Reacquisition
from sampt_ros.utils.side_threads import Pending, SideThreads

_FRAMES = 4  # A lesson is used after this many frames.


@dataclass(frozen=True, eq=False)
class Lesson:
    """What was learned about an object from one frame.

    tracked  the object
    before   what was known of it before that frame
    after    what is known of it with that frame; None if its mask had drifted onto something else
    """

    tracked: TrackedObject
    before: Reacquisition
    after: Reacquisition | None

    @property
    def is_about_its_object(self) -> bool:
        """Whether nothing else was learned or forgotten about the object since the frame of this lesson."""
        now = self.tracked.reacquisition
        return now is not None and now.appearance is self.before.appearance


class Lessons:
    """Learns from at most one frame at a time."""

    def __init__(self) -> None:
        self._side = SideThreads("sampt_learning")
        self.forget()

    def forget(self) -> None:
        """Discard what is being computed."""
        self._due_at = 0
        self._pending: Pending[list[Lesson]] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a frame is being learned from, or its lessons are not used yet."""
        return self._pending is not None

    def start(self, index: int, objects: Sequence[TrackedObject], describe: Callable[[], np.ndarray]) -> None:
        """Begin to learn from the masks of known objects on frame `index`; `describe` returns its feature map."""
        learners = [
            (tracked, tracked.reacquisition, tracked.result.local_mask) for tracked in objects if tracked.reacquisition
        ]

        def learn() -> list[Lesson]:
            feature_map = describe()
            return [
                Lesson(tracked, known, _learned(known, index, feature_map, mask)) for tracked, known, mask in learners
            ]

        self._due_at = index + _FRAMES
        self._pending = self._side.start(learn)

    def taken(self, index: int) -> list[Lesson]:
        """The lessons that are due on frame `index`, if any; waits for them, and raises the error that ended them."""
        pending = self._pending
        if pending is None or index < self._due_at:
            return []
        self.forget()
        return [lesson for lesson in pending.result() if lesson.is_about_its_object]


def _learned(known: Reacquisition, index: int, feature_map: np.ndarray, mask: LocalMask) -> Reacquisition | None:
    cells = MaskedCells.of(feature_map, mask)
    return None if known.has_drifted(cells) else known.learned(index, cells)
