"""What objects look like, learned beside the next frames.

A whole frame is described and a regression is solved, which takes longer than what else a frame needs. So it is
computed on a thread of its own while the next frames are tracked, and taken over at a fixed one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.reacquisition.matching import Reacquisition
from sampt_ros.utils.side_threads import Pending, SideThreads

_FRAMES = 4  # After so many frames a lesson is taken over.


@dataclass(frozen=True, eq=False)
class Lesson:
    """What one frame says of an object.

    tracked  the object
    before   what was known of it on that frame
    after    what is known with it; None if its mask there had drifted onto something else
    """

    tracked: TrackedObject
    before: Reacquisition
    after: Reacquisition | None

    @property
    def is_about_its_object(self) -> bool:
        """Whether nothing has been learned, and nothing forgotten, since the frame that this is from."""
        now = self.tracked.reacquisition
        return now is not None and now.appearance is self.before.appearance


class Lessons:
    """At most one frame that is being learned from."""

    def __init__(self) -> None:
        self._side = SideThreads("sampt_learning")
        self.forget()

    def forget(self) -> None:
        """Take nothing over of what is being computed."""
        self._due_at = 0
        self._pending: Pending[list[Lesson]] | None = None

    @property
    def is_running(self) -> bool:
        """Whether there is something to be taken over."""
        return self._pending is not None

    def start(self, index: int, objects: Sequence[TrackedObject], describe: Callable[[], np.ndarray]) -> None:
        """Learn from the masks that known objects have on frame `index`, which `describe` describes."""
        learners = [
            (tracked, tracked.reacquisition, tracked.result.mask) for tracked in objects if tracked.reacquisition
        ]

        def learn() -> list[Lesson]:
            feature_map = describe()
            return [
                Lesson(tracked, known, _learned(known, index, feature_map, mask)) for tracked, known, mask in learners
            ]

        self._due_at = index + _FRAMES
        self._pending = self._side.start(learn)

    def taken(self, index: int) -> list[Lesson]:
        """What is due on frame `index`, waited for; raises the error that ended it."""
        pending = self._pending
        if pending is None or index < self._due_at:
            return []
        self.forget()
        return [lesson for lesson in pending.result() if lesson.is_about_its_object]


def _learned(known: Reacquisition, index: int, feature_map: np.ndarray, mask: np.ndarray) -> Reacquisition | None:
    return None if known.has_drifted(feature_map, mask) else known.learned(index, feature_map, mask)
