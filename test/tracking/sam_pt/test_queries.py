"""Queries of SamPt: objects start, are corrected and removed, and a query that fails changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank
from sam_pt_harness import CONFIG, HORIZON, Fixed, assert_same, square

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import NEGATIVE, POSITIVE, ObjectState
from sampt_ros.errors import FrameError, QueryError, UnknownObjectError
from sampt_ros.tracking.sam_pt import SamPt

# Starting an object


def test_a_click_becomes_a_mask_at_once(fixed):
    item = fixed.add(20, 20)
    assert (item.id, item.state, item.score) == (1, ObjectState.TRACKING, 1.0)
    np.testing.assert_array_equal(item.mask, square(20, 20))


def test_the_clicked_points_are_tracked_and_others_drawn_from_the_mask(fixed):
    points = fixed.sam_pt.add_object(points=[(20, 20), (40, 40)], labels=[POSITIVE, NEGATIVE]).points
    assert points.label.tolist() == [POSITIVE, NEGATIVE] + [POSITIVE] * 4 + [NEGATIVE]
    assert points.xy[:2].tolist() == [[20, 20], [40, 40]]
    on = [bool(square(20, 20)[int(y), int(x)]) for x, y in points.xy]
    assert on == [True, False] + [True] * 4 + [False]
    assert fixed.tracker.ids == points.id.tolist()


@pytest.mark.parametrize(
    ("prompts", "ambiguous"),
    [
        ({"points": [(20, 20)]}, True),  # one click alone fits several nested objects
        ({"points": [(20, 20), (22, 20)]}, False),
        ({"points": [(20, 20)], "box": (10, 10, 30, 30)}, False),
        ({"box": (10, 10, 30, 30)}, False),
    ],
)
def test_only_a_single_click_is_ambiguous(fixed, prompts, ambiguous):
    fixed.sam_pt.add_object(**prompts)
    assert [flag for _, flag in fixed.segmenter.passes] == [ambiguous, False]


def test_a_seed_mask_is_taken_as_it_is(fixed):
    seed = np.zeros((48, 64), np.uint8)
    seed[5:9, 30:50] = 7
    item = fixed.sam_pt.add_object(mask=seed)
    np.testing.assert_array_equal(item.mask, seed > 0)
    assert item.score == 1
    assert fixed.segmenter.passes == []
    assert all(seed[int(y), int(x)] for x, y in item.points.visible_xy(POSITIVE))


# Queries


def test_objects_come_go_and_start_anew_while_running(fixed):
    fixed.add(20, 20)
    fixed.step()
    fixed.add(45, 30)
    assert [item.id for item in fixed.step().objects] == [1, 2]
    fixed.sam_pt.remove_object(1)
    assert [item.id for item in fixed.step().objects] == [2]
    fixed.add(20, 20)
    assert fixed.sam_pt.object_ids == [2, 3]
    anew = fixed.add(30, 10, object_id=2)
    assert fixed.sam_pt.object_ids == [2, 3]
    np.testing.assert_array_equal(anew.mask, square(30, 10))
    # the tracker keeps no points of what is gone
    assert sorted(fixed.tracker.ids) == sorted(np.concatenate([item.points.id for item in fixed.step().objects]))


def test_ids_are_never_given_twice(fixed):
    seen = set()
    for expected in range(1, 6):
        item = fixed.add()
        assert item.id == expected
        assert not seen & set(item.points.id.tolist())
        seen |= set(item.points.id.tolist())
        fixed.sam_pt.remove_object(item.id)


def test_a_chosen_id_is_taken_and_the_next_is_above_it(fixed):
    assert [fixed.add(object_id=40).id, fixed.add().id] == [40, 41]


def test_forget_drops_objects_and_frames_but_ids_go_on(fixed):
    item = fixed.add()
    fixed.sam_pt.forget()
    with pytest.raises(QueryError, match="a frame before the first query"):
        fixed.add()
    assert fixed.sam_pt.step(blank(20, 30)).objects == ()  # of another size
    again = fixed.sam_pt.add_object(points=[(10, 10)])
    assert again.id == item.id + 1
    assert again.points.id.min() > item.points.id.max()


def test_reset_begins_ids_anew(fixed):
    item = fixed.add()
    fixed.sam_pt.reset()
    fixed.step()
    again = fixed.add()
    assert (again.id, again.points.id.tolist()) == (item.id, item.points.id.tolist())


def test_more_points_correct_an_object(fixed):
    item = fixed.add()
    corrected = fixed.sam_pt.add_points(item.id, [(22, 20), (40, 40)], [POSITIVE, NEGATIVE])
    clicks, drawn = corrected.points.id[:3].tolist(), corrected.points.id[3:].tolist()
    assert clicks == [1, 7, 8]
    assert corrected.points.label[:3].tolist() == [POSITIVE, POSITIVE, NEGATIVE]
    # the corrected mask has points of its own, those of the wrong one are gone
    assert len(drawn) == len(item.points) - 1
    assert not set(drawn) & set(item.points.id.tolist())
    assert fixed.step().objects[0].points.id.tolist() == corrected.points.id.tolist()


def test_clicks_alone_correct_a_propagated_mask():
    fixed = Fixed(prompting__carry_mask=True, points__negative=0)
    item = fixed.add()
    fixed.sam_pt.add_points(item.id, [(24, 20)])
    prompts, _ = fixed.segmenter.passes[-1]
    assert prompts.xy[0].tolist() == [[20, 20], [24, 20]]


def test_a_mask_that_clicks_cannot_put_right_is_given_up():
    fixed = Fixed(prompting__carry_mask=True, prompting__refinements=0, points__negative=0)
    item = fixed.add(20, 20)
    # the square around the mean of both clicks is at odds with them, with the propagated mask and without
    fixed.sam_pt.add_points(item.id, [(50, 20)])
    (with_mask, _), (anew, _) = fixed.segmenter.passes[-2:]
    assert np.isfinite(with_mask.logits).any()
    assert anew.logits is None
    assert anew.xy[0].tolist() == [[20, 20], [50, 20]]


def test_a_refused_correction_changes_no_points(fixed):
    item = fixed.add()
    fixed.segmenter.rate = lambda xy: 0.0
    refused = fixed.sam_pt.add_points(item.id, [(22, 20)])
    assert refused.state == ObjectState.UNCERTAIN
    assert refused.points.id.tolist() == [*item.points.id.tolist(), 7]


def test_a_lost_object_is_found_by_more_points(never):
    item = never.add()
    never.tracker.blind = True
    never.step()
    assert never.sam_pt.add_points(item.id, [(30, 30)]).state == ObjectState.TRACKING


@pytest.mark.parametrize("late", [1, 4])
def test_a_query_on_a_past_image_catches_up(never, late):
    on_time = never.sam_pt.add_object(mask=square(20, 20))
    never.step(late)
    caught_up = never.sam_pt.add_object(mask=square(20, 20), past=[blank()] * late)
    assert caught_up.state == ObjectState.TRACKING
    for points in (caught_up.points.visible_xy(POSITIVE), never.step().objects[1].points.visible_xy(POSITIVE) - [1, 0]):
        origin = points - [late, 0]
        assert all(square(20, 20)[int(y), int(x)] for x, y in origin)
    assert len(caught_up.points) == len(on_time.points)


def test_points_on_a_past_image_catch_up_too(never):
    item = never.add()
    never.step(2)
    corrected = never.sam_pt.add_points(item.id, [(21, 19)], past=[blank()] * 2)
    assert corrected.points.xy[1].tolist() == [23, 19]  # after the first click, before the drawn points


BAD_QUERIES: dict[str, Callable[[SamPt], object]] = {
    "no prompts": lambda s: s.add_object(),
    "outside": lambda s: s.add_object(points=[(64, 0)]),
    "negative only": lambda s: s.add_object(points=[(5, 5)], labels=[NEGATIVE]),
    "empty mask": lambda s: s.add_object(mask=np.zeros((48, 64), bool)),
    "id too small": lambda s: s.add_object(points=[(5, 5)], object_id=0),
    "id too large": lambda s: s.add_object(points=[(5, 5)], object_id=65536),
    "one object too many": lambda s: s.add_object(points=[(5, 5)]),
    "bad restart": lambda s: s.add_object(points=[(5, 500)], object_id=1),
    "nothing found": lambda s: s.add_object(points=[(9, 9)], object_id=1),
    "past of another size": lambda s: s.add_object(points=[(5, 5)], object_id=1, past=[blank(), blank(9, 9)]),
    "past that is not an image": lambda s: s.add_object(points=[(5, 5)], object_id=1, past=[blank()[..., 0]]),
    "unknown object": lambda s: s.add_points(7, [(5, 5)]),
    "no points": lambda s: s.add_points(1, []),
    "bad point": lambda s: s.add_points(1, [(20, 20), (np.nan, 5)]),
    "unknown object removed": lambda s: s.remove_object(7),
}  # fmt: skip


@pytest.mark.parametrize("query", BAD_QUERIES.values(), ids=BAD_QUERIES.keys())
def test_a_bad_query_leaves_everything_unchanged(query):
    asked, left_alone = Fixed(max_objects=2), Fixed(max_objects=2)
    for run in (asked, left_alone):
        run.add(20, 20)
        run.add(45, 30)
        run.step()
    asked.segmenter.paint = False
    with pytest.raises((QueryError, FrameError), match="expected"):
        query(asked.sam_pt)
    asked.segmenter.paint = True
    for _ in range(HORIZON + 1):
        assert_same(asked.step(), left_alone.step())


def test_an_unknown_object_is_named_with_the_known_ones(fixed):
    fixed.add()
    with pytest.raises(UnknownObjectError, match=r"a tracked object \(1\); got 7"):
        fixed.sam_pt.remove_object(7)


def test_the_largest_number_of_objects_may_change_while_running():
    fixed = Fixed(max_objects=1)
    fixed.add(20, 20)
    with pytest.raises(QueryError, match="max_objects = 1"):
        fixed.add(45, 30)
    fixed.add(45, 30, object_id=1)  # to start anew is not one more
    fixed.sam_pt.config = updated(fixed.sam_pt.config, {"max_objects": 2})
    assert fixed.add(20, 20).id == 2


def test_a_query_before_the_first_frame_is_refused():
    sam_pt = SamPt(CONFIG, SquareSegmenter(), DriftingTracker())
    with pytest.raises(QueryError, match="expected a frame before the first query"):
        sam_pt.add_object(points=[(5, 5)])


# What is undone when a computation fails


class FailingOnce(SquareSegmenter):
    """Fails in its decode call of this number, counted from 1."""

    fails_at = 0
    error: type[BaseException] = RuntimeError

    def decode(self, embedding, prompts, ambiguous=False):
        self.fails_at -= 1
        if self.fails_at == 0:
            raise self.error("no such kernel")
        return super().decode(embedding, prompts, ambiguous)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_query_whose_computation_fails_or_is_interrupted_leaves_the_object_as_it_was(error):
    segmenter, tracker = FailingOnce(), DriftingTracker()
    segmenter.error = error
    sam_pt = SamPt(SamPtConfig(), segmenter, tracker)
    past = blank()
    sam_pt.step(past)
    sam_pt.add_object([(20, 20)])
    before = sam_pt.step(blank()).objects[0]
    ids = list(tracker.ids)
    for query in (
        lambda: sam_pt.add_object([(40, 30)], object_id=1, past=[past]),  # fails on the newest frame
        lambda: sam_pt.add_points(1, [(21, 21)]),
    ):
        segmenter.fails_at = 2 if "add_object" in query.__code__.co_names else 1
        with pytest.raises(error, match="no such kernel"):
            query()
        assert tracker.ids == ids
    assert sam_pt.object_ids == [1]
    (after,) = sam_pt.step(blank()).objects
    assert after.state == before.state
    assert after.points.id.tolist() == before.points.id.tolist()


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_points_that_cannot_be_followed_are_forgotten(fixed, monkeypatch, error):
    fixed.add()
    before, add = list(fixed.tracker.ids), fixed.tracker.add

    def half_done(ids, xy, frames):
        add(ids, xy, frames)
        raise error

    monkeypatch.setattr(fixed.tracker, "add", half_done)
    for query in (fixed.add, lambda: fixed.sam_pt.add_points(1, [(21, 21)])):
        with pytest.raises(error):
            query()
        assert fixed.tracker.ids == before


def test_points_of_which_the_tracker_knows_nothing_are_never_brought_back(fixed, monkeypatch):
    fixed.add()
    remove = fixed.tracker.remove

    def interrupted(ids):
        remove(ids)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(fixed.tracker, "remove", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fixed.sam_pt.add_points(1, [(21, 21)])
    (item,) = fixed.sam_pt.step(blank()).objects
    assert set(item.points.id.tolist()) <= set(fixed.tracker.ids)
