"""The working thread: whatever goes wrong in one piece of work, the next one is done."""

from __future__ import annotations

import threading
import time

import pytest
from fakes import DriftingTracker, SquareSegmenter, blank
from streams import ListLog

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.node import NodeConfig
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.streaming.depth_queue import LiveWaiting
from sampt_ros.streaming.failures import Failures
from sampt_ros.streaming.live.mailbox import Mailbox, Task
from sampt_ros.streaming.live.worker import Worker
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent
from sampt_ros.tracking.effort import Effort
from sampt_ros.tracking.sam_pt import SamPt


class Desk:
    """A worker, with what it did: `done` has stamps of frames and names of requests."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.log = ListLog()
        self.errors: dict[int, Exception] = {}
        self.delay = 0.0  # seconds for a frame
        self.mailbox = Mailbox()
        self.stamp_ns = 0
        sam_pt = SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())
        self.stream = Stream(sam_pt, NodeConfig(), Failures(StreamStatistics(), self.log), LiveWaiting())
        self.worker = Worker(self.mailbox, self.stream, self.work_on)

    def work_on(self, stream: Stream, event: ImageEvent) -> None:
        time.sleep(self.delay)
        if event.stamp_ns in self.errors:
            raise self.errors[event.stamp_ns]
        stream.image(event)
        self.done.append(event.stamp_ns)

    def put(self, stamp_ns: int) -> None:
        self.mailbox.put_frame(ImageEvent(stamp_ns, None, blank, received=stamp_ns / 1e9))

    def send(self, frames: int, period_ns: int) -> None:
        """Images that came with this period, each done before the next one is put."""
        for _ in range(frames):
            self.stamp_ns += period_ns
            self.put(self.stamp_ns)
            self.finish()

    def finish(self) -> None:
        """Wait until all that came before is done."""
        finished = threading.Event()
        self.mailbox.put_task(Task(lambda stream: finished.set()))
        assert finished.wait(10)


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.worker.stop()


def test_an_errand_comes_after_the_frame_that_came_with_it(desk):
    hold, held = threading.Event(), threading.Event()
    desk.mailbox.put_task(Task(lambda stream: (held.set(), hold.wait(10))))
    assert held.wait(10)
    desk.mailbox.put_task(Task(lambda stream: desk.done.append(stream)))
    for stamp in (1, 2, 3):
        desk.put(stamp)
    hold.set()
    desk.finish()
    assert desk.done == [3, desk.stream]
    assert desk.stream.session.stamp_current_at(2) == 2  # those skipped are remembered


@pytest.mark.parametrize(
    ("error", "reason", "level"),
    [
        (FrameError("too small"), "too small", "repeated"),
        (RuntimeError("no such kernel"), "RuntimeError: no such kernel", "error"),
    ],
)
def test_a_frame_that_fails_is_counted_and_told_and_the_next_one_is_done(desk, error, reason, level):
    desk.errors = {1: error}
    for stamp in (1, 2):
        desk.put(stamp)
        desk.finish()
    assert desk.done == [2]
    assert desk.stream.statistics.summary()["last reason of frames_rejected"] == reason
    assert desk.stream.statistics["frames_rejected"] == 1
    (told,) = desk.log.told[level]
    assert told.startswith("the image of 0.000 s is not published")


def test_an_errand_that_fails_is_counted_and_told(desk):
    def fail(stream: Stream) -> None:
        raise QueryError("no such object")

    desk.mailbox.put_task(Task(fail))
    desk.finish()
    assert desk.stream.statistics["queries_refused"] == 1
    assert desk.log.told["warning"] == ["the query is refused: no such object"]


def test_in_a_flood_of_queries_frames_are_worked_on(desk):
    hold, held = threading.Event(), threading.Event()
    desk.mailbox.put_task(Task(lambda stream: (held.set(), hold.wait(10))))
    assert held.wait(10)
    desk.mailbox.put_task(Task(lambda stream: desk.put(2)))
    for _ in range(16):  # max_objects
        desk.mailbox.put_task(Task(lambda stream: desk.done.append("query")))
    desk.put(1)
    hold.set()
    desk.finish()
    assert desk.done == [1, *["query"] * 15, 2, "query"]


def test_stop_waits_for_the_work_in_hand(desk):
    entered, leave = threading.Event(), threading.Event()

    def slow(stream: Stream) -> None:
        entered.set()
        leave.wait(10)
        desk.done.append("slow")

    desk.mailbox.put_task(Task(slow))
    assert entered.wait(10)
    threading.Timer(0.05, leave.set).start()
    desk.worker.stop()
    assert desk.done == ["slow"]


SECOND_NS = 10**9


def test_frames_that_take_longer_than_the_period_lower_the_effort_which_is_told(desk):
    desk.delay = 0.002
    desk.send(14, period_ns=10**6)
    assert desk.stream.session.sam_pt.effort == desk.stream.session.sam_pt.efforts[1]
    (told,) = desk.log.told["warning"]
    assert told.endswith("the camera sends one every 1.0 ms: now with 33% of the refinements (step 1 of 3)")


def test_the_effort_is_raised_again_which_is_told(desk):
    desk.delay = 0.002
    desk.send(14, period_ns=10**6)
    desk.delay = 0
    desk.send(300, period_ns=SECOND_NS)  # On a busy machine the effort may have been lowered by three steps.
    assert desk.stream.session.sam_pt.effort == Effort()
    assert desk.log.told["info"][-1].endswith("back to full effort (step 0 of 3)")


def test_no_load_is_shed_where_that_is_switched_off(desk):
    desk.delay = 0.002
    desk.stream.options = NodeConfig(shed_load=False)
    desk.send(14, period_ns=10**6)
    assert desk.stream.session.sam_pt.effort == Effort()
    assert desk.log.told["warning"] == []


def test_switched_off_later_the_effort_is_full_from_then_on(desk):
    desk.delay = 0.002
    desk.send(14, period_ns=10**6)
    desk.stream.options = NodeConfig(shed_load=False)
    desk.send(1, period_ns=10**6)
    assert desk.stream.session.sam_pt.effort == Effort()
