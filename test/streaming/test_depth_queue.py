"""Which frames wait for their depth, for how long, and what hides a click."""

from __future__ import annotations

import numpy as np
import pytest
from streams import ListLog

from sampt_ros.data_types import FrameResult
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.streaming.depth_queue import DepthQueue, LiveWaiting, RecordedWaiting, WaitingPolicy
from sampt_ros.streaming.failures import Failures
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.tracked_frame import ImageEvent, TrackedFrame

SIZE = (6, 8)
CAMERA = Pinhole(np.array([[10, 0, 3.5], [0, 10, 2.5], [0, 0, 1]]), np.zeros(0), "", 8, 6)
MS = 1_000_000
FAR = np.full(SIZE, 1000, np.uint16)  # millimetres


class Queue(DepthQueue):
    """A queue with a camera; `out` has what it handed on: milliseconds, and whether with depth."""

    def __init__(self, policy: WaitingPolicy, **options) -> None:
        self.log, self.out = ListLog(), []
        super().__init__(policy, Failures(StreamStatistics(), self.log), **options)
        self.set_camera(CAMERA)

    def collect(self) -> list[tuple[int, bool]]:
        self.out += [(frame.event.time_ns // MS, frame.surfaces is not None) for frame in self.ready_frames()]
        return self.out

    def track(self, ms: int) -> None:
        image = np.zeros((*SIZE, 3), np.uint8)
        self.add_frame(TrackedFrame(ImageEvent(ms * MS, None, lambda: image), image, FrameResult(0, SIZE)))

    def hear(self, ms: int, depth: np.ndarray = FAR, image_ms: int | None = None) -> None:
        self.note_depth(ms * MS)
        self.add_depth((ms if image_ms is None else image_ms) * MS, lambda: depth)


@pytest.fixture
def live():
    return Queue(LiveWaiting(timeout=1000.0))


@pytest.fixture
def recorded():
    return Queue(RecordedWaiting())


@pytest.fixture(params=["live", "recorded"])
def queue(request):
    return request.getfixturevalue(request.param)


# Live


def test_before_the_first_depth_nothing_waits(live):
    live.track(100)
    assert live.collect() == [(100, False)]


def test_a_frame_waits_for_its_own_depth(live):
    live.hear(67)
    live.track(100)
    assert live.collect() == []
    live.hear(105, image_ms=100)
    assert live.collect() == [(100, True)]


def test_a_frame_whose_depth_will_not_come_any_more_goes_on_without(live):
    live.hear(67)
    live.track(100)
    live.note_depth(133 * MS)  # later than the slop allows, and paired with no image
    assert live.collect() == [(100, False)]


def test_two_frames_wait_at_most_and_all_go_on_in_order(live):
    live.hear(67)
    for ms in (100, 133, 167):
        live.track(ms)
    assert live.collect() == [(100, False)]
    live.hear(167)
    assert live.collect() == [(100, False), (133, False), (167, True)]


def test_without_depth_for_a_while_nothing_waits(live):
    live.hear(67)
    live.track(100)
    live.policy = LiveWaiting(timeout=0.0)
    assert live.collect() == [(100, False)]


# Recorded


def test_the_nearest_depth_is_waited_for_and_then_taken(recorded):
    recorded.hear(85, FAR * 2)
    recorded.track(100)
    assert recorded.collect() == []
    recorded.hear(105)
    (frame,) = recorded.ready_frames()
    assert frame.surfaces == {}
    assert recorded.depth_error == ""


def test_a_recorded_frame_without_depth_near_it_has_none_and_that_is_told(recorded):
    recorded.track(100)
    recorded.hear(150)
    assert recorded.collect() == [(100, False)]
    assert recorded.log.told["repeated"] == [
        "no 3D: expected depth within 0.02 s of each image (depth_slop); got it 0.050 s apart"
    ]


def test_ten_recorded_frames_wait_at_most(recorded):
    for index in range(11):
        recorded.track(100 * (index + 1))
    assert recorded.collect() == [(100, False)]


def test_at_the_end_all_that_are_left_are_handed_on(recorded):
    recorded.hear(100)
    recorded.track(100)
    recorded.track(133)
    assert [frame.event.time_ns // MS for frame in recorded.remaining_frames()] == [100, 133]
    assert not recorded.is_waiting


# Both


def test_where_no_depth_is_expected_nothing_waits(queue):
    queue.expects_depth = False
    queue.hear(67)
    queue.track(100)
    assert queue.collect() == [(100, False)]
    assert (queue.with_depth, queue.without_depth) == (0, 0)


def test_after_a_jump_back_what_is_of_before_waits_no_longer_and_its_depth_is_forgotten(queue):
    for ms in (60_000, 60_033):
        queue.hear(ms)
    queue.track(60_066)
    queue.hear(0)
    queue.track(0)
    queue.hear(33)
    assert queue.collect() == [(60_066, False), (0, True)]


def test_depth_is_kept_no_longer_than_the_history(queue):
    for ms in range(0, 10_000, 100):
        queue.hear(ms)
    assert len(queue._depths) <= 11


@pytest.mark.parametrize(
    ("depth", "reason"),
    [
        (FAR[:, 1:], "expected depth of the image's size 8x6; got 7x6"),
        (np.zeros(SIZE, np.uint8), "expected depth as uint16 millimetres or float metres; got uint8"),
    ],
)
def test_depth_that_cannot_be_used_is_counted_and_told(queue, depth, reason):
    queue.hear(100, depth)
    queue.track(100)
    assert queue.collect() == [(100, False)]
    assert queue.depth_error == reason
    assert queue._failures.statistics["depth_rejected"] == 1
    assert queue.log.told["repeated"] == [f"no 3D: {reason}"]


def test_a_fault_in_the_depth_is_told_as_one(queue):
    queue.note_depth(100 * MS)
    queue.add_depth(100 * MS, lambda: 1 / 0)
    queue.track(100)
    assert queue.collect() == [(100, False)]
    assert "ZeroDivisionError" in queue.log.told["error"][0]


# Clicks

POINT, PIXEL = np.array([0.0, 0.0, 2.0]), (3.5, 2.5)


@pytest.mark.parametrize("late", [0, 100, 900])
def test_a_point_that_the_latest_depth_hides_is_refused(queue, late):
    queue.hear(1000)
    with pytest.raises(QueryError, match=r"2\.00 m deep, and something 1\.00 m deep hides it"):
        queue.require_in_sight(POINT, PIXEL, (1000 + late) * MS, SIZE)


def test_older_depth_than_the_history_hides_nothing(queue):
    queue.hear(1000)
    queue.require_in_sight(POINT, PIXEL, 2100 * MS, SIZE)
    queue.history = 0.0
    queue.require_in_sight(POINT, PIXEL, 1100 * MS, SIZE)


def test_depth_of_later_than_the_image_hides_nothing(queue):
    queue.hear(1000)
    queue.require_in_sight(POINT, PIXEL, 900 * MS, SIZE)


def test_depth_that_cannot_be_used_hides_nothing(queue):
    queue.hear(1000, FAR[:, 1:])
    queue.require_in_sight(POINT, PIXEL, 1000 * MS, SIZE)
    assert queue.depth_error.startswith("expected depth of the image's size")

    def damaged() -> np.ndarray:
        raise FrameError("damaged")

    queue.add_depth(1000 * MS, damaged)
    queue.require_in_sight(POINT, PIXEL, 1000 * MS, SIZE)


# Depth that comes and does not pair


def test_how_far_images_and_depth_are_apart_is_known_once_several_did_not_pair(live):
    for ms in range(1000, 1900, 100):
        assert (live.time_offset is None) == (ms < 1500)
        live.track(ms)
        live.note_depth((ms + 30) * MS)
        live.collect()
    assert live.time_offset == 0.03
    live.track(2000)
    live.hear(2000)
    live.collect()
    assert live.time_offset is None


def test_without_any_depth_nothing_is_apart(live):
    live.timeout = 0.0
    for ms in range(1000, 2000, 100):
        live.track(ms)
        live.collect()
    assert live.time_offset is None


def test_a_jump_back_begins_anew(live):
    for ms in range(9000, 9900, 100):
        live.track(ms)
        live.note_depth((ms + 30) * MS)
        live.collect()
    live.track(1000)
    assert live.time_offset is None
