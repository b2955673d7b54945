"""SamPt around a tracker and a segmenter that do as they are told."""

from __future__ import annotations

import numpy as np
from fakes import SIDE, DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import FrameResult, ObjectResult, ObjectState
from sampt_ros.tracking.sam_pt import SamPt

HORIZON = 3
CONFIG = updated(
    SamPtConfig(),
    {"points.positive": 4, "points.negative": 1, "prompting.refinements": 1, "reinit.horizon": HORIZON},
)


class Fixed:
    """A SamPt that has seen one frame, with the fakes it is made of."""

    def __init__(self, **changes) -> None:
        self.tracker, self.segmenter = DriftingTracker(), SquareSegmenter()
        config = updated(CONFIG, {name.replace("__", "."): value for name, value in changes.items()})
        self.sam_pt = SamPt(config, self.segmenter, self.tracker)
        self.step()

    def step(self, count: int = 1) -> FrameResult:
        for _ in range(count):
            result = self.sam_pt.step(blank())
        return result

    def add(self, x: float = 20, y: float = 20, **options) -> ObjectResult:
        return self.sam_pt.add_object(points=[(x, y)], **options)

    def state(self) -> ObjectState:
        """Of the only object, on the next frame."""
        (item,) = self.step().objects
        return item.state


def square(x: int, y: int) -> np.ndarray:
    """The mask that SquareSegmenter finds around (x, y)."""
    mask = np.zeros(blank().shape[:2], bool)
    mask[y - SIDE // 2 : y + SIDE // 2 + 1, x - SIDE // 2 : x + SIDE // 2 + 1] = True
    return mask


def assert_same(found: FrameResult, expected: FrameResult) -> None:
    """Every number of two results agrees, to the bit."""
    np.testing.assert_array_equal(found.labels, expected.labels)
    for ours, theirs in zip(found.objects, expected.objects, strict=True):
        assert (ours.id, ours.state, ours.score) == (theirs.id, theirs.state, theirs.score)
        for name in ("id", "xy", "label", "visible", "confidence"):
            np.testing.assert_array_equal(getattr(ours.points, name), getattr(theirs.points, name))
