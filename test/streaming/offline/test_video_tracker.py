"""A video through the stream, forwards and both ways."""

from __future__ import annotations

import time
from unittest.mock import Mock

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank
from streams import follow

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import ObjectState
from sampt_ros.errors import QueryError, SourceError
from sampt_ros.io.video import FrameSource
from sampt_ros.segmenters.base import MaskDecoded
from sampt_ros.streaming.offline.video_tracker import VideoTracker
from sampt_ros.streaming.requests import ObjectStart
from sampt_ros.tracking.effort import Effort
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def sam_pt():
    config = updated(SamPtConfig(), {"points.positive": 1, "points.negative": 0, "reinit.policy": "never"})
    return SamPt(config, SquareSegmenter(), DriftingTracker())


class Blank(FrameSource):
    """So many black images."""

    size = (48, 64)

    def __init__(self, length):
        self.length = length

    def __iter__(self):
        return (blank() for _ in range(self.length))


def click(x, y, frame=0):
    return ObjectStart([(x, y)], [1], frame=frame)


def objects(results):
    return [[item.id for item in result.objects] for result in results]


def middles(results, name):
    """x of the middle of an object's mask, by frame."""
    items = {result.index: item for result in results for item in result.objects if item.id == name}
    return {index: item.box[0] + item.box[2] // 2 for index, item in items.items()}


def both_ways(sam_pt, starts, length=6, most=None):
    source = Blank(length)
    with VideoTracker(sam_pt, starts) as tracker:
        looked = list(tracker.track_backwards(source, most))
        results = [result for _, result in tracker.track(source.numbered())]
    return looked, results, tracker


def test_objects_start_in_their_frames(sam_pt):
    starts = {1: click(20, 20), 2: click(40, 30, frame=2), 5: click(20, 40, frame=2), 3: click(50, 20, frame=4)}
    results = [result for _, result in follow(sam_pt, [blank()] * 6, starts)]
    assert objects(results) == [[1], [1], [1, 2, 5], [1, 2, 5], [1, 2, 5, 3], [1, 2, 5, 3]]
    assert middles(results, 2) == {2: 40, 3: 41, 4: 42, 5: 43}
    assert all(item.state == ObjectState.TRACKING for result in results for item in result.objects)


def test_an_object_that_cannot_start_later_is_told_and_the_rest_goes_on(sam_pt, caplog):
    starts = {1: click(20, 20), 2: click(900, 30, frame=2), 3: click(40, 30, frame=2)}
    results = [result for _, result in follow(sam_pt, [blank()] * 4, starts)]
    assert objects(results) == [[1], [1], [1, 3], [1, 3]]
    assert "object 2 is not started on image 2: expected points inside the 64x48 image; got (900, 30)" in caplog.text


def test_an_object_that_cannot_start_on_the_first_frame_ends_the_run(sam_pt):
    with pytest.raises(QueryError, match="inside the 64x48 image"):
        next(follow(sam_pt, [blank()], {1: click(900, 20), 2: click(20, 20, frame=1)}))


def test_an_object_whose_frame_does_not_come_is_told(sam_pt, caplog):
    results = [result for _, result in follow(sam_pt, [blank()] * 3, {1: click(20, 20), 2: click(20, 20, frame=7)})]
    assert objects(results) == [[1]] * 3
    assert "object 2 is not started: expected it on image 7, which is not there, or was dropped" in caplog.text


def test_an_object_whose_frame_is_dropped_is_not_started_on_another_one(sam_pt, caplog):
    images = [blank(), blank(30, 30), blank(), blank()]
    results = [result for _, result in follow(sam_pt, images, {1: click(20, 20), 2: click(40, 30, frame=1)})]
    assert objects(results) == [[1]] * 3
    assert "object 2 is not started: expected it on image 1" in caplog.text


def test_frames_that_are_missing_do_not_move_the_later_ones_up(sam_pt):
    tracker = VideoTracker(sam_pt, {1: click(20, 20), 2: click(40, 30, frame=4)})
    results = [result for _, result in tracker.track((number, blank()) for number in (1, 2, 4, 5))]
    assert [result.index for result in results] == [1, 2, 4, 5]
    assert objects(results) == [[1], [1], [1, 2], [1, 2]]


def test_both_ways_every_object_is_there_from_the_first_frame_on(sam_pt):
    starts = {1: click(20, 20), 2: click(40, 30, frame=2), 3: click(30, 40, frame=4)}
    looked, results, tracker = both_ways(sam_pt, starts)
    assert looked == [4, 3, 2, 1, 0]
    assert [result.index for result in results] == list(range(6))
    assert [sorted(names) for names in objects(results)] == [[1, 2, 3]] * 6
    # the tracker moves a pixel a frame, whichever way it goes
    assert middles(results, 1) == {0: 20, 1: 21, 2: 22, 3: 23, 4: 24, 5: 25}
    assert middles(results, 2) == {0: 42, 1: 41, 2: 40, 3: 41, 4: 42, 5: 43}
    assert middles(results, 3) == {0: 34, 1: 33, 2: 32, 3: 31, 4: 30, 5: 31}
    assert tracker.started == {1, 2, 3}
    assert tracker.dropped == 0


class CarriedSegmenter(SquareSegmenter):
    """Finds the mask that it is given, the surer of it the larger it is."""

    def decode(self, embedding, prompts, ambiguous=False):
        areas = (prompts.logits > 0).sum((1, 2))
        return MaskDecoded(prompts.logits, (0.7 + 0.2 * areas / areas.max()).astype(np.float32))


def seed(x, y, side, frame=0):
    """A start with the mask of a square around a place."""
    mask = np.zeros((48, 64), bool)
    mask[y - side // 2 : y + side // 2 + 1, x - side // 2 : x + side // 2 + 1] = True
    return ObjectStart(mask=mask, frame=frame)


def labelled(result):
    """How many pixels of the label image each object has."""
    return dict(zip(*(values.tolist() for values in np.unique(result.labels, return_counts=True))))


def test_a_part_is_shown_on_its_whole_where_it_starts(sam_pt):
    for starts in ({1: seed(30, 24, 5), 2: seed(30, 24, 21)}, {1: seed(30, 24, 21), 2: seed(30, 24, 5)}):
        (_, result), *_ = follow(sam_pt, [blank()] * 2, starts)
        assert sorted(labelled(result).values())[:2] == [25, 21 * 21 - 25]
        sam_pt.reset()


@pytest.mark.parametrize(("whole_frame", "part_frame"), [(4, 4), (0, 4), (4, 0), (3, 4)])
def test_a_part_is_shown_on_its_whole_on_frames_tracked_backwards(sam_pt, whole_frame, part_frame):
    config = updated(
        sam_pt.config, {"prompting.carry_mask": True, "prompting.refinements": 0, "reacquire.enabled": False}
    )
    sam_pt = SamPt(config, CarriedSegmenter(), DriftingTracker())
    starts = {1: seed(30, 24, 21, whole_frame), 2: seed(30, 24, 5, part_frame)}
    _, results, _ = both_ways(sam_pt, starts)
    assert [labelled(result) for result in results] == [{0: 48 * 64 - 441, 1: 441 - 25, 2: 25}] * 6


def test_points_that_were_tracked_backwards_have_ids_of_their_own(sam_pt):
    _, results, _ = both_ways(sam_pt, {1: click(20, 20), 2: click(40, 30, frame=3)})
    before = {point for result in results[:3] for point in result.objects[1].points.id.tolist()}
    after = {point for result in results for item in result.objects[:1] for point in item.points.id.tolist()}
    after |= {point for result in results[3:] for point in result.objects[1].points.id.tolist()}
    assert before
    assert not before & after


def test_the_time_of_both_ways_counts(sam_pt):
    alone = [result for _, result in VideoTracker(sam_pt, {2: click(40, 30, frame=2)}).track(Blank(3).numbered())]
    _, results, _ = both_ways(sam_pt, {2: click(40, 30, frame=2)}, length=3)
    assert set(results[0].stages) >= set(alone[0].stages)
    assert sum(results[0].stages.values()) > 0


def test_objects_of_the_first_frame_need_no_looking_back(sam_pt):
    looked, results, _ = both_ways(sam_pt, {1: click(20, 20)})
    assert looked == []
    assert objects(results) == [[1]] * 6


def test_objects_that_start_after_the_last_frame_asked_for_are_not_looked_for(sam_pt):
    looked, results, _ = both_ways(sam_pt, {1: click(20, 20, frame=1), 2: click(40, 30, frame=4)}, length=3, most=3)
    assert looked == [1, 0]
    assert objects(results) == [[1]] * 3


def test_a_frame_that_fails_on_the_way_back_has_no_objects_and_the_others_have(sam_pt, monkeypatch, caplog):
    move = sam_pt._points.tracker.update
    moves = iter([move, move, Mock(side_effect=MemoryError)])
    monkeypatch.setattr(sam_pt._points.tracker, "update", lambda frame: next(moves, move)(frame))
    looked, results, _ = both_ways(sam_pt, {1: click(20, 20, frame=4)})
    assert looked == [4, 3, 2, 1, 0]
    assert objects(results) == [[1], [1], [], [1], [1], [1]]
    assert "frame 2 is rejected: out of memory" in caplog.text


def test_a_reference_is_looked_for_forwards_alone(sam_pt):
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    mask = np.zeros((48, 64), bool)
    mask[10:30, 10:30] = True
    start = ObjectStart(mask=mask, reference=image, frame=2)
    looked, results, _ = both_ways(sam_pt, {1: start}, length=4)
    assert looked == []
    assert objects(results) == [[], [], [1], [1]]


def test_a_camera_cannot_be_tracked_backwards(sam_pt):
    source = Blank(3)
    source.is_live = True
    with pytest.raises(SourceError, match="a camera's frames come only once"):
        list(VideoTracker(sam_pt, {1: click(20, 20, frame=1)}).track_backwards(source))


def test_however_long_frames_take_a_recording_has_the_full_effort(sam_pt):
    step, efforts = sam_pt.step, []

    def slow(image):
        time.sleep(0.002)
        efforts.append(sam_pt.effort)
        return step(image)

    sam_pt.step = slow
    assert len(list(follow(sam_pt, [blank()] * 30, {1: click(20, 20)}))) == 30
    assert set(efforts) == {Effort()}
