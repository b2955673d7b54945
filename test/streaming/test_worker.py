"""The working thread: whatever goes wrong in one piece of work, the next one is done."""

from __future__ import annotations

import threading

import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.config.core import SamPtConfig
from sampt_ros.errors import FrameError
from sampt_ros.streaming.mailbox import Arrival, Mailbox
from sampt_ros.streaming.session import Session
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.worker import Worker
from sampt_ros.tracking.sam_pt import SamPt


class Desk:
    """A worker, with what it did: `done` has stamps of frames and names of requests."""

    def __init__(self) -> None:
        self.done: list[object] = []
        self.warnings: list[str] = []
        self.errors: dict[int, Exception] = {}
        self.mailbox, self.statistics = Mailbox(), StreamStatistics()
        self.session = Session(SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker()))
        self.worker = Worker(self.mailbox, self.session, self.track, self.statistics, self.warnings.append)

    def track(self, session: Session, arrival: Arrival) -> None:
        if arrival.stamp_ns in self.errors:
            raise self.errors[arrival.stamp_ns]
        session.step(arrival.stamp_ns, arrival.load())
        self.done.append(arrival.stamp_ns)

    def put(self, stamp_ns: int) -> None:
        self.mailbox.put_frame(Arrival(stamp_ns, None, blank, 0.0))

    def finish(self) -> None:
        """Wait until all that came before is done."""
        finished = threading.Event()
        self.mailbox.put_request(lambda session: finished.set())
        assert finished.wait(10)


@pytest.fixture
def desk():
    made = Desk()
    yield made
    made.worker.stop()


def test_a_request_comes_after_the_frame_that_came_with_it(desk):
    hold, held = threading.Event(), threading.Event()
    desk.mailbox.put_request(lambda session: (held.set(), hold.wait(10)))
    assert held.wait(10)
    desk.mailbox.put_request(lambda session: desk.done.append(session))
    for stamp in (1, 2, 3):
        desk.put(stamp)
    hold.set()
    desk.finish()
    assert desk.done == [3, desk.session]
    assert desk.session.stamp_current_at(2) == 2  # those skipped are remembered


@pytest.mark.parametrize(
    ("error", "reason"),
    [(FrameError("too small"), "too small"), (RuntimeError("out of memory"), "RuntimeError: out of memory")],
)
def test_a_frame_that_fails_is_counted_and_told(desk, error, reason):
    desk.errors = {1: error}
    for stamp in (1, 2):
        desk.put(stamp)
        desk.finish()
    assert desk.done == [2]
    assert desk.statistics.summary()["last reason of frames_rejected"] == reason
    assert (desk.statistics["frames_rejected"], len(desk.warnings)) == (1, 1)
    assert desk.warnings[0].startswith("frames rejected:")


def test_a_request_that_fails_is_counted_and_told(desk):
    def fail(session: Session) -> None:
        raise FrameError("no such image")

    desk.mailbox.put_request(fail)
    desk.finish()
    assert desk.statistics["queries_refused"] == 1
    assert desk.warnings == ["queries refused: no such image"]


def test_stop_waits_for_the_work_in_hand(desk):
    entered, leave = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        entered.set()
        leave.wait(10)
        desk.done.append("slow")

    desk.mailbox.put_request(slow)
    assert entered.wait(10)
    threading.Timer(0.05, leave.set).start()
    desk.worker.stop()
    assert desk.done == ["slow"]
