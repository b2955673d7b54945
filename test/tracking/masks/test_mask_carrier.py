"""A mask propagator in the stream: its masks as prompts, or as the objects' masks where it is sure."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import SIDE, DriftingTracker, RollingPropagator, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import FrameResult, ObjectState
from sampt_ros.tracking.sam_pt import SamPt

SEED = np.zeros((48, 64), bool)
SEED[10:20, 10:24] = True


class Stream:
    """A SamPt with a propagator, which has seen one frame, and the fakes it is made of."""

    def __init__(self, use: str = "prompt", certainty: float = 1.0, **changes) -> None:
        self.tracker, self.segmenter = DriftingTracker(), SquareSegmenter()
        self.propagator = RollingPropagator(certainty=certainty)
        options = {"points.positive": 4, "prompting.refinements": 0, "reinit.policy": "never"}
        options |= {"propagation.use": use, "reacquire.enabled": False}
        config = updated(SamPtConfig(), options | {name.replace("__", "."): value for name, value in changes.items()})
        self.sam_pt = SamPt(config, self.segmenter, self.tracker, self.propagator)
        self.step()

    def step(self) -> FrameResult:
        self.segmenter.passes.clear()
        return self.sam_pt.step(blank())

    @property
    def calls(self) -> list[tuple[object, ...]]:
        return self.propagator.calls


def test_the_propagated_mask_is_the_mask_prompt():
    stream = Stream()
    stream.sam_pt.add_object(mask=SEED)
    stream.step()
    prompts, _ = stream.segmenter.passes[0]
    np.testing.assert_array_equal(prompts.logits[0] > 0, np.roll(SEED, 1, 1))


@pytest.mark.parametrize(("certainty", "state"), [(0.9, ObjectState.TRACKING), (0.5, ObjectState.TRACKING)])
def test_a_sure_mask_is_taken_as_it_is_and_an_unsure_one_goes_through_the_segmenter(certainty, state):
    stream = Stream("mask", certainty)
    stream.sam_pt.add_object(mask=SEED)
    encoded = len(stream.segmenter.encoded)
    (item,) = stream.step().objects
    is_sure = certainty > 0.8
    assert item.state is state
    assert (len(stream.segmenter.passes) == 0) == is_sure
    assert (len(stream.segmenter.encoded) == encoded) == is_sure
    if is_sure:
        np.testing.assert_array_equal(item.mask, np.roll(SEED, 1, 1))
        usual = (1 + certainty) / 2  # The seed mask was certain.
        assert item.score == pytest.approx((certainty * usual) ** 0.5)
    else:  # The propagator goes on from what the segmenter made of it.
        assert item.area == SIDE**2
        assert stream.calls[-1] == ("start", item.id, SIDE**2)


def test_an_object_without_visible_points_is_kept_by_a_sure_mask_alone():
    states = []
    for certainty in (0.9, 0.5):
        stream = Stream("mask", certainty)
        stream.sam_pt.add_object(mask=SEED)
        stream.tracker.blind = True
        states.append(stream.step().objects[0].state)
    assert states == [ObjectState.TRACKING, ObjectState.LOST]


def test_a_correction_by_click_restarts_the_propagated_mask():
    stream = Stream("mask")
    item = stream.sam_pt.add_object(mask=SEED)
    stream.step()
    corrected = stream.sam_pt.add_points(item.id, [(40, 30)])
    assert corrected.state is ObjectState.TRACKING
    assert stream.calls[-2:] == [("remove", item.id), ("start", item.id, corrected.area)]
    (after,) = stream.step().objects
    np.testing.assert_array_equal(after.mask, np.roll(corrected.mask, 1, 1))


def test_an_object_clicked_on_an_older_frame_follows_it_to_the_newest():
    stream = Stream("mask")
    for _ in range(2):
        stream.step()
    item = stream.sam_pt.add_object(mask=SEED, past=[blank(), blank()])
    np.testing.assert_array_equal(item.mask, np.roll(SEED, 2, 1))
    np.testing.assert_array_equal(stream.propagator.masks[item.id] > 0.5, item.mask)


def test_removed_replaced_and_lost_objects_are_forgotten():
    stream = Stream()
    first = stream.sam_pt.add_object(mask=SEED)
    second = stream.sam_pt.add_object(mask=np.roll(SEED, 20, 0))
    assert set(stream.propagator.masks) == {first.id, second.id}
    stream.sam_pt.remove_object(first.id)
    assert set(stream.propagator.masks) == {second.id}
    stream.sam_pt.add_object(mask=SEED, object_id=second.id)
    np.testing.assert_array_equal(stream.propagator.masks[second.id] > 0, SEED)
    stream.sam_pt._lose(stream.sam_pt._objects[second.id])
    assert stream.propagator.masks == {}


def test_reset_forgets_all():
    stream = Stream()
    stream.sam_pt.add_object(mask=SEED)
    stream.sam_pt.reset()
    assert stream.propagator.masks == {}


def test_the_bar_of_certainty_may_change_while_tracking():
    stream = Stream("mask", certainty=0.5)
    stream.sam_pt.add_object(mask=SEED)
    stream.sam_pt.config = updated(stream.sam_pt.config, {"propagation.certainty": 0.4})
    stream.step()
    assert stream.segmenter.passes == []
