"""What SamPt makes of every frame: masks, states, fresh points, and changed parameters."""

from __future__ import annotations

from unittest.mock import Mock

import numpy as np
import pytest
from fakes import SIDE, blank
from sam_pt_harness import HORIZON, Fixed, assert_same, square

from sampt_ros.config.options import updated
from sampt_ros.data_types import NEGATIVE, POSITIVE, LocalMask, ObjectState
from sampt_ros.errors import ConfigError, FrameError


def test_masks_follow_the_points(fixed):
    fixed.sam_pt.add_object(mask=square(20, 20))
    result = fixed.step(2)
    (item,) = result.objects
    assert (result.index, item.state) == (2, ObjectState.TRACKING)
    # the mean of the drawn points may be off the middle by a pixel or two
    x, y, width, height = item.box
    assert (width, height) == (SIDE, SIDE)
    assert np.abs([x + SIDE // 2 - 22, y + SIDE // 2 - 20]).max() <= 3


def test_a_mask_under_the_threshold_makes_the_object_uncertain_and_is_not_published():
    fixed = Fixed(prompting__iou_threshold=0.75)
    fixed.add()
    fixed.segmenter.rate = lambda xy: 0.6
    result = fixed.step()
    (item,) = result.objects
    assert (item.state, item.score, item.area) == (ObjectState.UNCERTAIN, pytest.approx(0.6), 0)
    assert not result.mask.any()
    fixed.segmenter.rate = lambda xy: 0.75  # the threshold itself will do
    assert fixed.state() == ObjectState.TRACKING


def test_a_mask_without_a_score_is_not_accepted(fixed):
    fixed.add()
    fixed.segmenter.rate = lambda xy: float("nan")
    assert fixed.state() == ObjectState.UNCERTAIN


def test_an_empty_mask_is_not_accepted_however_sure(fixed):
    fixed.add()
    fixed.segmenter.paint = False
    assert fixed.state() == ObjectState.UNCERTAIN


def test_without_a_visible_positive_point_the_object_is_lost_with_an_empty_mask(never):
    item = never.add()
    other = never.add(45, 30)
    never.tracker.hidden = set(item.points.id[item.points.label == POSITIVE].tolist())
    result = never.step()
    assert [found.state for found in result.objects] == [ObjectState.LOST, ObjectState.TRACKING]
    assert not result.objects[0].mask.any()
    assert set(np.unique(result.labels)) == {0, other.id}
    # only the other object was asked about
    assert [len(prompts) for prompts, _ in never.segmenter.passes[-2:]] == [1, 1]


def test_a_lost_object_is_found_again(never):
    never.add()
    never.tracker.blind = True
    assert [never.state() for _ in range(3)] == [ObjectState.LOST] * 3
    never.tracker.blind = False
    assert never.state() == ObjectState.TRACKING


def test_nothing_is_encoded_while_nothing_is_seen(never):
    never.step(3)
    never.add()
    encoded = len(never.segmenter.encoded)
    never.tracker.blind = True
    never.step(3)
    assert (encoded, len(never.segmenter.encoded)) == (1, 1)


def test_a_frame_is_encoded_once_for_all_objects_and_queries(fixed):
    fixed.add(20, 20)
    fixed.add(45, 30)
    fixed.sam_pt.add_points(1, [(21, 21)])
    fixed.step()
    fixed.sam_pt.add_points(2, [(46, 31)])
    assert [frame.index for frame in fixed.segmenter.encoded] == [0, 1]


def test_positive_points_of_the_others_are_negative(never):
    cup, box = never.add(20, 20), never.add(45, 30)
    never.step()
    full, _ = never.segmenter.passes[-1]
    for row, (own, other) in enumerate([(cup, box), (box, cup)]):
        negatives = full.xy[row][full.labels[row] == NEGATIVE]
        expected = [own.points.visible_xy(NEGATIVE), other.points.visible_xy(POSITIVE)]
        np.testing.assert_array_equal(negatives, np.concatenate(expected) + np.array([1, 0]))


def test_points_near_the_border_do_not_count():
    fixed = Fixed(visibility__border=0.1, reinit__policy="never")
    fixed.tracker.drift = np.array([-10, 0], np.float32)
    fixed.add(20, 20)
    # 10 pixels further the points are at x = 6 to 14 of 64, 20 further they are outside
    assert [fixed.state(), fixed.state()] == [ObjectState.TRACKING, ObjectState.LOST]


def test_an_object_without_visible_points_counts_as_away():
    fixed = Fixed(visibility__patch_similarity=True, reinit__policy="never")
    fixed.add()
    for _ in range(4):
        assert fixed.state() == ObjectState.TRACKING
    (tracked,) = fixed.sam_pt._objects
    assert not tracked.looks.is_absent
    (item,) = fixed.sam_pt.step(blank() + np.uint8(200)).objects
    assert item.state == ObjectState.LOST
    assert tracked.looks.is_absent  # What appears now has to look like it.


def test_points_on_other_colours_do_not_count_if_the_patch_filter_is_on():
    fixed = Fixed(visibility__patch_similarity=True, reinit__policy="never", reacquire__enabled=False)
    fixed.add()
    assert fixed.state() == ObjectState.TRACKING
    (item,) = fixed.sam_pt.step(blank() + np.uint8(200)).objects
    assert item.state == ObjectState.LOST
    assert fixed.state() == ObjectState.TRACKING
    # switched off while running
    fixed.sam_pt.config = updated(fixed.sam_pt.config, {"visibility.patch_similarity": False})
    (item,) = fixed.sam_pt.step(blank() + np.uint8(200)).objects
    assert item.state == ObjectState.TRACKING


# Re-initialisation


def test_fresh_points_replace_the_old_ones_every_horizon(fixed):
    first = fixed.add()
    before = fixed.step(HORIZON).objects[0].points
    after = fixed.step().objects[0].points
    assert set(before.id) == set(first.points.id)
    assert not set(before.id) & set(after.id)
    assert fixed.tracker.ids == after.id.tolist()


def test_without_re_initialisation_points_are_kept(never):
    first = never.add()
    assert never.step(3 * HORIZON).objects[0].points.id.tolist() == first.points.id.tolist()


def test_a_tracker_that_fails_once_does_not_end_the_stream(fixed, monkeypatch):
    fixed.add()
    with monkeypatch.context() as patched:
        patched.setattr(fixed.tracker, "add", Mock(side_effect=RuntimeError("out of memory")))
        for query in ({}, {"object_id": 1}):
            with pytest.raises(RuntimeError):
                fixed.add(**query)
        with pytest.raises(RuntimeError):
            fixed.step(HORIZON)  # fresh points are due
    assert fixed.state() == ObjectState.TRACKING
    assert fixed.sam_pt.object_ids == [1]


def test_an_interrupted_frame_leaves_no_mask_and_the_next_one_is_tracked(fixed, monkeypatch):
    fixed.add()
    with monkeypatch.context() as patched:
        patched.setattr(fixed.segmenter, "decode", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fixed.step()
    (item,) = fixed.sam_pt.newest_result.objects
    assert (fixed.sam_pt.frame_index, item.state, item.area) == (1, ObjectState.UNCERTAIN, 0)
    assert fixed.state() == ObjectState.TRACKING


@pytest.mark.parametrize("name", ["id", "xy", "label", "visible", "confidence"])
def test_what_is_done_to_a_result_changes_nothing(name):
    left, used = Fixed(), Fixed()
    given = [used.add()]
    left.add()
    for _ in range(2 * HORIZON):
        for item in given:
            getattr(item.points, name)[:] = 0
            item.mask[:] = False
            with pytest.raises(ValueError, match="read-only"):
                item.local_mask.values[:] = False
        found, expected = used.step(), left.step()
        assert_same(found, expected)
        assert_same(used.sam_pt.newest_result, left.sam_pt.newest_result)
        given = [*found.objects, *used.sam_pt.newest_result.objects, used.sam_pt.add_points(1, [(22, 21)])]
        left.sam_pt.add_points(1, [(22, 21)])
        found.labels[:] = 0


def test_a_refused_mask_never_re_initialises(fixed):
    first = fixed.add()
    fixed.segmenter.rate = lambda xy: 0.1
    item = fixed.step(3 * HORIZON).objects[0]
    assert (item.state, item.points.id.tolist()) == (ObjectState.UNCERTAIN, first.points.id.tolist())
    # as soon as a mask is accepted the points are renewed
    fixed.segmenter.rate = lambda xy: 0.9
    fixed.step()
    assert not set(fixed.tracker.ids) & set(first.points.id.tolist())


def test_points_drawn_on_a_past_frame_are_tracked_forward():
    fixed = Fixed(reinit__policy="similar_area")
    fixed.sam_pt.add_object(mask=square(20, 20))
    accepted = fixed.step().objects[0].mask  # frame 1, the only one whose mask is accepted
    fixed.segmenter.rate = lambda xy: 0.1
    fixed.step(HORIZON - 1)
    # renewed at the end of frame 3 from frame 1, and now on frame 4
    points = fixed.step().objects[0].points
    origin = points.visible_xy(POSITIVE) - [HORIZON, 0]
    assert points.id.min() > 5
    assert all(accepted[int(y), int(x)] for x, y in origin)


# Odd frames


@pytest.mark.parametrize("image", [blank(48, 65), blank(64, 48), blank()[..., 0], blank().astype(float), None])
def test_an_unusable_frame_is_refused_and_leaves_everything_unchanged(image):
    disturbed, left_alone = Fixed(), Fixed()
    for run in (disturbed, left_alone):
        run.add()
    for _ in range(HORIZON + 1):
        with pytest.raises(FrameError, match="expected an"):
            disturbed.sam_pt.step(image)
        assert_same(disturbed.step(), left_alone.step())


# Settings


def test_live_parameters_take_effect_on_the_next_frame(fixed):
    fixed.add()
    fixed.segmenter.rate = lambda xy: 0.6
    fixed.step()
    fixed.segmenter.passes.clear()
    fixed.sam_pt.config = updated(
        fixed.sam_pt.config, {"prompting.iou_threshold": 0.5, "prompting.refinements": 3, "points.positive": 2}
    )
    assert fixed.state() == ObjectState.TRACKING
    assert len(fixed.segmenter.passes) == 2 + 3
    assert np.count_nonzero(fixed.add(45, 30).points.label == POSITIVE) == 1 + 2


def test_fixed_parameters_are_refused_while_running(fixed):
    before = fixed.sam_pt.config
    with pytest.raises(ConfigError, match=r"reinit\.horizon"):
        fixed.sam_pt.config = updated(before, {"reinit.horizon": 9, "points.positive": 2})
    assert fixed.sam_pt.config == before


def test_a_propagated_mask_is_a_prompt_where_it_is_wanted():
    fixed = Fixed(prompting__carry_mask=True, points__negative=0)
    fixed.sam_pt.add_object(mask=square(20, 20))
    fixed.step()
    first, _ = fixed.segmenter.passes[0]
    np.testing.assert_array_equal(first.logits[0] > 0, square(21, 20))


def test_the_propagated_mask_is_the_last_accepted_one():
    fixed = Fixed(prompting__carry_mask=True, points__negative=0, reinit__policy="never")
    fixed.sam_pt.add_object(mask=square(20, 20))
    fixed.segmenter.rate = lambda xy: 0.1
    fixed.step(2)
    fixed.segmenter.passes.clear()
    fixed.step()
    first, _ = fixed.segmenter.passes[0]
    np.testing.assert_array_equal(first.logits[0] > 0, square(23, 20))


def test_a_mask_that_was_not_propagated_all_along_is_no_prompt():
    fixed = Fixed(points__negative=0, reinit__policy="never")
    fixed.sam_pt.add_object(mask=square(20, 20))
    fixed.segmenter.rate = lambda xy: 0.1
    fixed.step(2)
    fixed.segmenter.passes.clear()
    fixed.sam_pt.config = updated(fixed.sam_pt.config, {"prompting.carry_mask": True})
    fixed.step()
    first, _ = fixed.segmenter.passes[0]
    assert first.logits is None


def test_a_mask_worn_away_is_no_prompt_any_more():
    fixed = Fixed(prompting__carry_mask=True, points__negative=0, reinit__policy="never")
    fixed.sam_pt.add_object(mask=square(20, 20))
    fixed.tracker.propagate_mask = lambda mask, *others: LocalMask.empty(mask.image_size)
    fixed.step()
    first, _ = fixed.segmenter.passes[0]
    assert first.logits is None  # the points alone find it again
