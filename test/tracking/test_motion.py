"""Points and masks on two threads at once: with parts that do as they are told, then with the real ones."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.options import updated
from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import FrameResult, ObjectState
from sampt_ros.errors import OutOfMemoryError
from sampt_ros.evaluation.synthetic_scene import Scene
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils import side_threads


class ConcurrentTracker(DriftingTracker):
    """Says in which thread it does what, and fails there once if it is told to."""

    concurrent = True
    fails_in_update: BaseException | None = None
    fails_in_carrying: BaseException | None = None

    def __init__(self) -> None:
        super().__init__()
        self.threads: dict[str, threading.Thread] = {}
        self.before_carrying = lambda: None

    def update(self, frame):
        self.threads["update"] = threading.current_thread()
        self._fail("fails_in_update")
        return super().update(frame)

    def propagate_mask(self, mask, previous, current, among=1):
        self.threads["carrying"] = threading.current_thread()
        self.before_carrying()
        self._fail("fails_in_carrying")
        return super().propagate_mask(mask, previous, current)

    def _fail(self, name):
        error = getattr(self, name)
        setattr(self, name, None)
        if error is not None:
            raise error


@pytest.fixture(params=[1, 2])
def cores(request, monkeypatch) -> int:
    monkeypatch.setattr(side_threads, "usable_cores", lambda: request.param)
    return request.param


def started(tracker: DriftingTracker) -> SamPt:
    """An object at (20, 20), seen for a frame."""
    sam_pt = SamPt(load_preset("default"), SquareSegmenter(), tracker)
    sam_pt.step(blank())
    sam_pt.add_object([(20, 20)])
    sam_pt.step(blank())
    return sam_pt


def test_points_have_a_thread_of_their_own_where_there_are_two_cores(cores):
    started(tracker := ConcurrentTracker())
    own = threading.current_thread()
    assert tracker.threads["carrying"] is own
    assert (tracker.threads["update"] is own) == (cores == 1)


def test_threads_share_the_masks_of_several_objects(monkeypatch):
    monkeypatch.setattr(side_threads, "usable_cores", lambda: 2)
    sam_pt = started(tracker := ConcurrentTracker())
    sam_pt.add_object([(40, 20)])
    both = threading.Barrier(2, timeout=10)  # which one thread alone never passes
    tracker.before_carrying = both.wait
    assert [item.state for item in sam_pt.step(blank()).objects] == [ObjectState.TRACKING] * 2


def test_a_tracker_that_does_one_thing_at_a_time_has_no_thread():
    tracker = ConcurrentTracker()
    tracker.concurrent = False
    started(tracker)
    assert tracker.threads["update"] is threading.current_thread()


def test_points_that_cannot_be_moved_leave_everything_as_it_was(cores):
    sam_pt = started(tracker := ConcurrentTracker())
    before, index = sam_pt.newest_result, sam_pt.frame_index
    mask = next(iter(sam_pt._objects)).propagated_mask
    tracker.fails_in_update = RuntimeError("no such kernel")
    with pytest.raises(RuntimeError, match="no such kernel"):
        sam_pt.step(blank())
    assert sam_pt.frame_index == index
    assert sam_pt.newest_result.objects == before.objects
    assert next(iter(sam_pt._objects)).propagated_mask is mask
    (item,) = sam_pt.step(blank()).objects
    assert item.state == ObjectState.TRACKING
    np.testing.assert_array_equal(item.points.xy, np.add(before.objects[0].points.xy, [1, 0]))


def test_memory_that_runs_out_beside_is_told_as_such(cores):
    sam_pt = started(tracker := ConcurrentTracker())
    tracker.fails_in_update = MemoryError()
    with pytest.raises(OutOfMemoryError, match="smaller preset"):
        sam_pt.step(blank())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_masks_that_cannot_be_moved_leave_the_objects_uncertain_and_their_points_moved(cores, error):
    sam_pt = started(tracker := ConcurrentTracker())
    before = sam_pt.newest_result.objects[0].points.xy
    tracker.fails_in_carrying = error("no such kernel")
    with pytest.raises(error, match="no such kernel"):
        sam_pt.step(blank())
    (item,) = sam_pt.newest_result.objects
    assert item.state == ObjectState.UNCERTAIN
    np.testing.assert_array_equal(item.points.xy, np.add(before, [1, 0]))
    assert sam_pt.step(blank()).objects[0].state == ObjectState.TRACKING


def test_an_interrupt_while_points_are_awaited_leaves_them_moved(monkeypatch):
    monkeypatch.setattr(side_threads, "usable_cores", lambda: 2)
    sam_pt = started(ConcurrentTracker())
    before, result = sam_pt.newest_result.objects[0].points.xy, side_threads.Pending.result

    def interrupted(pending):
        monkeypatch.setattr(side_threads.Pending, "result", result)  # the next time
        raise KeyboardInterrupt

    monkeypatch.setattr(side_threads.Pending, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sam_pt.step(blank())
    (item,) = sam_pt.newest_result.objects
    assert item.state == ObjectState.UNCERTAIN
    np.testing.assert_array_equal(item.points.xy, np.add(before, [1, 0]))


@pytest.mark.parametrize("comes_first", [True, False])
def test_an_interrupt_is_raised_although_the_points_fail_too(monkeypatch, comes_first):
    monkeypatch.setattr(side_threads, "usable_cores", lambda: 2)
    sam_pt = started(tracker := ConcurrentTracker())
    index, result = sam_pt.frame_index, side_threads.Pending.result

    def interrupted(pending):
        monkeypatch.setattr(side_threads.Pending, "result", result)  # the next time
        raise KeyboardInterrupt

    if comes_first:
        tracker.fails_in_carrying = KeyboardInterrupt()
    else:
        monkeypatch.setattr(side_threads.Pending, "result", interrupted)
    tracker.fails_in_update = RuntimeError("points")
    with pytest.raises(KeyboardInterrupt):
        sam_pt.step(blank())
    assert sam_pt.frame_index == index
    assert sam_pt.newest_result.objects[0].state == ObjectState.TRACKING


def test_where_both_fail_nothing_has_changed(cores):
    sam_pt = started(tracker := ConcurrentTracker())
    tracker.fails_in_carrying, tracker.fails_in_update = RuntimeError("masks"), RuntimeError("points")
    with pytest.raises(RuntimeError, match="points"):
        sam_pt.step(blank())
    assert sam_pt.newest_result.objects[0].state == ObjectState.TRACKING


def test_no_thread_outlives_its_sam_pt():
    before = set(threading.enumerate())
    for _ in range(5):
        started(ConcurrentTracker())
    gc.collect()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert set(threading.enumerate()) <= before


# With the real parts


def tracked(frames: int = 14) -> list[FrameResult]:
    """Two disks through the default preset; what they look like is learned again after four frames, and taken over."""
    scene = Scene((160, 120), 2)
    changes = {"reinit.horizon": 3, "reacquire.gap": 4, "nano.window": 128}
    sam_pt = SamPt(updated(load_preset("default"), changes))
    sam_pt.step(scene.image(0))
    for mask in scene.masks(0):
        sam_pt.add_object(mask=mask)
    return [sam_pt.step(scene.image(index)) for index in range(1, frames)]


def test_masks_and_points_are_the_same_with_and_without_threads(monkeypatch):
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the network runs on")
    runs = []
    for cores in (2, 2, 1):
        monkeypatch.setattr(side_threads, "usable_cores", lambda cores=cores: cores)
        runs.append(tracked())
    for found, expected in (
        (found, expected) for run in runs[1:] for found, expected in zip(run, runs[0], strict=True)
    ):
        np.testing.assert_array_equal(found.labels, expected.labels)
        for ours, theirs in zip(found.objects, expected.objects, strict=True):
            assert (ours.id, ours.state, ours.score) == (theirs.id, theirs.state, theirs.score)
            np.testing.assert_array_equal(ours.points.xy, theirs.points.xy)
            np.testing.assert_array_equal(ours.points.id, theirs.points.id)
