"""A session with a camera of its own, for tests of what comes in time, late, or never."""

from __future__ import annotations

import numpy as np
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import POSITIVE, FrameResult
from sampt_ros.streaming.continuity import Change
from sampt_ros.streaming.requests import Request
from sampt_ros.streaming.session import Session
from sampt_ros.tracking.sam_pt import SamPt

MS = 1_000_000
START = 1_000_000 * MS
CONFIG = updated(SamPtConfig(), {"points.positive": 4, "prompting.refinements": 1, "reinit.policy": "never"})


def stepped(session: Session, stamp_ns: int, image: np.ndarray) -> tuple[FrameResult, Change | None]:
    """Bring a session to its next frame: the result, and what has changed."""
    change = session.observe(stamp_ns, image)
    return session.step(stamp_ns, image), change


class SessionStream:
    """A Session whose camera takes a frame every 100 ms; all that it sees moves by 1 px a frame."""

    def __init__(self, history: float = 1.0) -> None:
        self.tracker, self.segmenter = DriftingTracker(), SquareSegmenter()
        self.session = Session(SamPt(CONFIG, self.segmenter, self.tracker), history)
        self.now = START

    def step(self, count: int = 1) -> FrameResult:
        for _ in range(count):
            result, change = stepped(self.session, self.now, blank())
            assert change is None
            self.now += 100 * MS
        return result

    def skip(self) -> None:
        self.session.remember(self.now, blank)
        self.now += 100 * MS

    def start(self, x: float = 20, y: float = 20, **options) -> str:
        return self.session.answer(Request(points=np.array([(x, y)]), labels=np.array([POSITIVE]), **options)).text

    def x(self) -> float:
        """Where the left one of the clicked points is on the next frame."""
        return min(item.points.xy[0, 0] for item in self.step().objects)

    @property
    def ids(self) -> list[int]:
        return self.session.sam_pt.object_ids
