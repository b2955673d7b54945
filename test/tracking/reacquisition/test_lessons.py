"""What is learned beside the next frames, and what becomes of it where the object has changed by then."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.config.presets import load_preset
from sampt_ros.tracking.reacquisition.drift_watch import Verdict
from sampt_ros.tracking.reacquisition.lessons import Lessons
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils import side_threads

HERE = (72, 72)
CHANGES = {"segmenter": "nano", "points.negative": 0, "prompting.carry_mask": False, "reacquire.gap": 100}
FIRST, SECOND = 1, 5  # Frames from which the object is learned: at once, and then beside the next four.
TAKEN = SECOND + 4


class ConcurrentSegmenter(SquareSegmenter):
    """Says which frames it described, and fails in that once if it is told to."""

    concurrent = True
    fails: Exception | None = None

    def __init__(self) -> None:
        super().__init__()
        self.described: list[int] = []

    def describe(self, frame, embedding):
        self.described.append(frame.index)
        error, self.fails = self.fails, None
        if error is not None:
            raise error
        return super().describe(frame, embedding)


@pytest.fixture(params=[1, 2], autouse=True)
def cores(request, monkeypatch) -> None:
    monkeypatch.setattr(side_threads, "usable_cores", lambda: request.param)


@pytest.fixture
def segmenter() -> ConcurrentSegmenter:
    return ConcurrentSegmenter()


def image(seed: int = 0) -> np.ndarray:
    """A noisy grey table (192, 320, 3) with a red square at HERE."""
    picture = np.random.default_rng(seed).integers(90, 130, (192, 320, 1), np.uint8).repeat(3, 2)
    picture[HERE[1] - 8 : HERE[1] + 8, HERE[0] - 8 : HERE[0] + 8] = (200, 30, 30)
    return picture


def stepped_to(index: int, segmenter: SquareSegmenter) -> SamPt:
    """A SamPt with an object at HERE since frame 0, after frame `index`."""
    sam_pt = SamPt(load_preset("default", CHANGES), segmenter, DriftingTracker((0, 0)))
    sam_pt.step(image())
    sam_pt.add_object([HERE])
    for _ in range(index):
        sam_pt.step(image())
    return sam_pt


def learned(sam_pt: SamPt) -> list[int]:
    """The frames from which the object was learned so far."""
    (tracked,) = sam_pt._objects
    return [exemplar.index for exemplar in tracked.reacquisition.appearance.exemplars]


def test_a_known_object_is_learned_beside_the_next_frames_and_taken_over_at_a_fixed_one(segmenter):
    sam_pt = stepped_to(TAKEN - 1, segmenter)
    assert learned(sam_pt) == [FIRST]
    sam_pt.step(image())
    assert learned(sam_pt) == [FIRST, SECOND]
    assert segmenter.described == [FIRST, SECOND]


def test_a_segmenter_for_one_thread_alone_is_not_asked_beside(segmenter):
    segmenter.concurrent = False
    assert learned(stepped_to(SECOND, segmenter)) == [FIRST, SECOND]


def test_an_object_that_was_corrected_meanwhile_begins_anew(segmenter):
    sam_pt = stepped_to(TAKEN - 2, segmenter)
    sam_pt.add_points(1, [HERE])
    sam_pt.step(image())
    assert learned(sam_pt) == [TAKEN - 1]
    sam_pt.step(image())
    assert learned(sam_pt) == [TAKEN - 1]


@pytest.mark.parametrize("removal", [lambda sam_pt: sam_pt.remove_object(1), SamPt.forget, SamPt.reset])
def test_nothing_is_taken_over_for_an_object_that_is_gone(segmenter, removal):
    sam_pt = stepped_to(TAKEN - 1, segmenter)
    removal(sam_pt)
    if sam_pt.frame_index < 0:
        sam_pt.step(image())
    sam_pt.add_object([HERE], object_id=1)
    sam_pt.step(image())
    assert len(learned(sam_pt)) == 1  # the new object's own first frame


def test_an_error_beside_reaches_the_caller_and_the_next_frame_can_come(segmenter):
    sam_pt = stepped_to(SECOND - 1, segmenter)
    segmenter.fails = RuntimeError("no such kernel")
    for _ in range(SECOND, TAKEN):
        sam_pt.step(image())
    with pytest.raises(RuntimeError, match="no such kernel"):
        sam_pt.step(image())
    assert sam_pt.step(image()).objects[0].state.has_mask
    assert learned(sam_pt) == [FIRST]


def test_a_mask_that_was_found_to_have_drifted_is_lost(segmenter):
    sam_pt = stepped_to(SECOND - 1, segmenter)
    (tracked,) = sam_pt._objects
    tracked.points = tracked.points.moved(
        tracked.points.xy + np.float32([160, 64]), tracked.points.visible, tracked.points.confidence
    )
    sam_pt._points.tracker._tracks = sam_pt._points.tracker._tracks.__class__(
        tracked.points.id, tracked.points.xy, tracked.points.visible, tracked.points.confidence
    )
    sam_pt._drift.judge = lambda found, frame: [Verdict(new.looks, new.mask) for new in found]
    states = [sam_pt.step(image()).objects[0].state.name for _ in range(SECOND, TAKEN + 1)]
    assert states == ["TRACKING"] * 4 + ["LOST"]


def test_nothing_is_due_before_anything_is_learned():
    assert Lessons().taken(100) == []
