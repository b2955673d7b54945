"""The steps of effort, and what a lesser one does to a stream."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import ObjectResult, ObjectState
from sampt_ros.segmenters.base import Prompts
from sampt_ros.tracking.effort import Effort, efforts
from sampt_ros.tracking.sam_pt import SamPt


@pytest.mark.parametrize(
    ("adapts_detail", "refinements", "carries_masks", "expected"),
    [
        (False, 0, False, [Effort()]),
        # nano with dense flow: there are no refinements to leave out
        (True, 0, True, [Effort(), Effort(carried_every=3), Effort(carried_every=2)]),
        # SAM with a tracker that moves masks
        (False, 12, True, [Effort(), Effort(1, 1 / 3), Effort(1, 1 / 3, 3), Effort(1, 1 / 3, 2)]),
        # with a tracker that cannot
        (True, 3, False, [Effort(), Effort(1, 1 / 3), Effort(0.6, 1 / 3)]),
    ],
)
def test_steps_that_save_nothing_are_left_out(adapts_detail, refinements, carries_masks, expected):
    assert list(efforts(adapts_detail, refinements, carries_masks)) == expected


@pytest.mark.parametrize(("configured", "passes"), [(12, 4), (3, 1), (1, 0), (0, 0)])
def test_a_third_of_the_refinements_is_left(configured, passes):
    assert Effort(refinements=1 / 3).passes(configured) == passes
    assert Effort().passes(configured) == configured


def test_the_network_leaves_out_every_nth_frame():
    assert [Effort(carried_every=2).runs_network(index) for index in range(4)] == [True, False, True, False]
    assert [Effort(carried_every=3).runs_network(index) for index in range(6)] == [True, True, False] * 2
    assert all(Effort().runs_network(index) for index in range(4))


def test_an_effort_says_what_it_is():
    assert str(Effort()) == "full effort"
    assert str(Effort(0.5, 1 / 3, 2)) == "33% of the refinements, the network on 1 of 2 frames, 50% of the pixels"


# What a lesser effort does to a stream

CONFIG = updated(SamPtConfig(), {"points.negative": 0, "prompting.refinements": 3, "reinit.policy": "never"})
EVERY_SECOND = Effort(carried_every=2)


class Tracked:
    """A SamPt with one object, started on frame 0, and the fakes it is made of."""

    def __init__(self) -> None:
        self.tracker, self.segmenter = DriftingTracker(), SquareSegmenter()
        self.sam_pt = SamPt(CONFIG, self.segmenter, self.tracker)
        self.sam_pt.step(blank())
        self.sam_pt.add_object([(20, 20)])

    def step(self) -> ObjectResult:
        (item,) = self.sam_pt.step(blank()).objects
        return item

    def decoded(self) -> list[Prompts]:
        """The prompts of the decoder's passes since this was last asked."""
        prompts = [each for each, _ in self.segmenter.passes]
        self.segmenter.passes.clear()
        return prompts


@pytest.fixture
def tracked() -> Tracked:
    made = Tracked()
    made.decoded()
    return made


def test_between_two_frames_of_the_network_masks_move_along(tracked):
    tracked.sam_pt.effort = EVERY_SECOND
    start = tracked.sam_pt.newest_result.objects[0]
    carried = tracked.step()
    assert tracked.decoded() == [] and len(tracked.segmenter.encoded) == 1
    assert (carried.state, carried.score) == (start.state, start.score)
    np.testing.assert_array_equal(carried.mask, np.roll(start.mask, 1, axis=1))
    segmented = tracked.step()
    assert len(tracked.decoded()) == 4 and len(tracked.segmenter.encoded) == 2
    assert segmented.state == ObjectState.TRACKING


def test_a_carried_mask_does_not_move_twice_where_it_is_a_prompt_too(tracked):
    tracked.sam_pt.config = updated(CONFIG, {"prompting.carry_mask": True})
    tracked.sam_pt.effort = EVERY_SECOND
    start = tracked.sam_pt.newest_result.objects[0].mask
    tracked.step()
    tracked.step()
    prompt = tracked.decoded()[0].logits[0]
    np.testing.assert_array_equal(prompt > 0, np.roll(start, 2, axis=1))


def test_an_object_whose_mask_was_refused_is_segmented_on_every_frame(tracked):
    tracked.sam_pt.effort = EVERY_SECOND
    tracked.segmenter.rate = lambda xy: 0.1
    tracked.step()
    assert tracked.step().state == ObjectState.UNCERTAIN
    tracked.segmenter.rate = lambda xy: 1.0
    assert tracked.step().state == ObjectState.TRACKING


def test_an_object_without_a_visible_point_is_lost_on_every_frame(tracked):
    tracked.sam_pt.effort = EVERY_SECOND
    tracked.tracker.blind = True
    assert [tracked.step().state for _ in range(2)] == [ObjectState.LOST] * 2


def test_where_masks_cannot_be_moved_the_network_works_on_every_frame(tracked):
    tracked.sam_pt.effort = EVERY_SECOND
    tracked.tracker.propagate_mask = lambda *arguments: None
    tracked.step()
    assert len(tracked.decoded()) == 4


def test_refinements_and_detail_are_less(tracked):
    tracked.sam_pt.effort = Effort(0.5, 1 / 3)
    tracked.step()
    passes = tracked.decoded()
    assert [prompts.detail for prompts in passes] == [0.5, 0.5]  # One of three refinements is left.


def test_queries_have_the_full_effort(tracked):
    tracked.sam_pt.effort = Effort(0.5, 1 / 3, 2)
    tracked.step()
    tracked.decoded()
    tracked.sam_pt.add_object([(40, 30)])
    assert [prompts.detail for prompts in tracked.decoded()] == [1.0] * 4


def test_the_full_effort_again_is_as_if_it_had_never_been_less(tracked):
    other = Tracked()
    tracked.sam_pt.effort = EVERY_SECOND
    for each in (tracked, other):
        each.step()
    tracked.sam_pt.effort = Effort()
    np.testing.assert_array_equal(tracked.step().mask, other.step().mask)


def test_a_stream_knows_which_steps_it_can_take(tracked):
    assert list(tracked.sam_pt.efforts) == [Effort(), Effort(1, 1 / 3), Effort(1, 1 / 3, 3), Effort(1, 1 / 3, 2)]
    tracked.segmenter.adapts_detail = True
    tracked.tracker.carries_masks = False
    assert list(tracked.sam_pt.efforts) == [Effort(), Effort(1, 1 / 3), Effort(0.6, 1 / 3)]
