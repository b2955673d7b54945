"""Plays a video, image folder or camera as a live stream, and tracks objects in it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from types import TracebackType

import numpy as np

from sampt_ros.config.node import NodeConfig
from sampt_ros.data_types import FrameResult, check_image
from sampt_ros.errors import QueryError
from sampt_ros.io.video import FrameSource
from sampt_ros.streaming.depth_queue import LiveWaiting
from sampt_ros.streaming.failures import Attempt, Failures
from sampt_ros.streaming.live.mailbox import Mailbox, Task
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.streaming.live.worker import Worker
from sampt_ros.streaming.requests import Answer, Reference, Request
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.log_once import LogOnce

_log = logging.getLogger(__name__)

_HISTORY = 3.0  # Seconds for which images are kept: an image may take a second to the browser, and a click one back.
_MAX_WAITING = 8  # Largest number of queries that wait; more are refused, since their answers would come too late.
_NO_RESET = "the reset fails"
_POLL = 0.1  # Seconds until a pause, or the end, is noticed.


class Player:
    """A `Backend` without ROS: one thread reads frames at the source's rate, another one tracks the newest.

        with Player(source, sam_pt) as player:
            player.watch(show)

    A frame that comes while the tracker is busy and is followed by a newer one is dropped and counted, as in the node.
    While the stream is paused, clicks apply to the image that is shown.
    """

    def __init__(
        self, source: FrameSource, sam_pt: SamPt, title: str = "", preset: str = "", loop: bool = True
    ) -> None:
        """title, preset: shown on the page; loop: whether a video starts again after its last frame."""
        self.statistics = StreamStatistics()
        self._source, self._title, self._preset, self._loop = source, title, preset, loop
        self._failures = Failures(self.statistics, LogOnce(_log))
        options = NodeConfig(history=_HISTORY)
        waiting = LiveWaiting(round(options.depth_slop * 1e9), options.depth_timeout)
        self._stream = Stream(sam_pt, options, self._failures, waiting)
        self._mailbox = Mailbox()
        self._show: Callable[[View], None] | None = None
        self._shown: tuple[int, np.ndarray] | None = None  # Stamp and image that viewers see.
        self._running = threading.Event()  # Cleared while the stream is paused.
        self._stopped = threading.Event()
        self._end = ""  # The reason why no more frames come.
        self._reader = threading.Thread(target=self._read, name="sampt_source", daemon=True)

    def __enter__(self) -> Player:
        self._running.set()
        self._worker = Worker(self._mailbox, self._stream, self._work_on)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._reader.join()
        self._worker.stop()

    # Called by the page, see Backend

    def watch(self, show: Callable[[View], None] | None) -> None:
        self._show = show
        if show is not None:  # A viewer that connects during a pause sees the image too.
            self._mailbox.put_task(Task(self._show_again, outcome="the image is not shown"))

    def condition(self) -> Condition:
        newest = self._stream.session.newest
        count = len(newest.objects) if newest else 0
        paused = not self._running.is_set()
        message = f"tracking; objects: {count}" if count else "waiting for a click"
        values = {"preset": self._preset} | self.statistics.summary()
        if load := self._worker.load.step:
            values["effort"] = f"step {load}: {self._stream.session.sam_pt.effort}"
        message = self._end or ("paused" if paused else message)
        return Condition(self._title, message, well=not self._end, paused=paused, values=values)

    def ask(self, request: Request, tell: Callable[[Attempt], None]) -> None:
        self._put(lambda stream: stream.query(lambda: request), tell)

    def refer(self, reference: Reference, tell: Callable[[Attempt], None]) -> None:
        self._put(lambda stream: stream.reference(lambda: reference), tell)

    def reset(self, tell: Callable[[Attempt], None]) -> None:
        def refuse(reason: str) -> None:
            tell(Attempt(QueryError(reason), reason))

        self._mailbox.put_task(Task(partial(self._reset, tell), refuse, outcome=_NO_RESET))

    def pause(self, paused: bool, tell: Callable[[Attempt], None]) -> None:
        if paused:
            self._running.clear()
        else:
            self._running.set()
        tell(Attempt(answer=Answer("paused" if paused else "running")))

    # The reading thread

    def _read(self) -> None:
        with self._failures.task("no more frames come") as attempt:
            due = time.monotonic()
            goes_on = True
            while goes_on:
                goes_on = False
                for image in self._source:
                    due = self._wait_for_turn(due)
                    if self._stopped.is_set():
                        return
                    if self._running.is_set():  # A camera also gives frames during a pause, which are not used.
                        self._hand_in(image)
                    goes_on = self._loop and not self._source.is_live
        self._end = attempt.reason or "the video has ended"

    def _wait_for_turn(self, due: float) -> float:
        """Wait until the time `due`, and until the stream is not paused; returns when the next frame is due."""
        if self._source.is_live:
            return due
        while not self._running.wait(_POLL) and not self._stopped.is_set():
            pass
        self._stopped.wait(max(0.0, due - time.monotonic()))
        return max(due, time.monotonic() - _POLL) + 1 / self._source.fps

    def _hand_in(self, image: np.ndarray) -> None:
        self.statistics.count("frames_received")
        load = partial(check_image, image)
        event = ImageEvent(time.time_ns(), None, load, time.perf_counter(), nbytes=image.nbytes)
        if not self._mailbox.put_frame(event):
            self.statistics.count("frames_dropped")

    # The working thread

    def _work_on(self, stream: Stream, event: ImageEvent) -> None:
        frame = stream.image(event)
        for _ in stream.ready_frames():
            pass  # There is no depth to wait for, so the frame is complete at once.
        if frame is None:
            return
        if not frame.failed:
            self.statistics.frame_done(1000 * (time.perf_counter() - event.received), frame.result.stages)
        self._shown = event.stamp_ns, frame.image
        if (show := self._show) is not None:
            show(_view(stream, event.stamp_ns, frame.image, frame.result))

    def _put(self, ask: Callable[[Stream], Attempt], tell: Callable[[Attempt], None]) -> None:
        """Let the worker answer a query; its effect is shown at once, not only with the next frame."""

        def act(stream: Stream) -> None:
            attempt = ask(stream)
            self._show_again(stream)
            tell(attempt)

        if (waiting := self._mailbox.queries) >= _MAX_WAITING:
            tell(self._failures.refuse(f"expected fewer clicks at a time; {waiting} are still waiting"))
            return
        self._mailbox.put_task(Task(act, lambda reason: tell(self._failures.refuse(reason))))

    def _show_again(self, stream: Stream) -> None:
        """Show the same image again, with the current masks of its objects."""
        if self._shown is None or self._show is None:
            return
        stamp_ns, image = self._shown
        result = stream.session.newest or FrameResult(0, image.shape[:2])
        self._show(_view(stream, stamp_ns, image, result))

    def _reset(self, tell: Callable[[Attempt], None], stream: Stream) -> None:
        with self._failures.task(_NO_RESET) as attempt:
            stream.reset()
            self._show_again(stream)
            if self._shown is not None and not self._running.is_set():  # Clicks need an image, but none comes now.
                self._hand_in(self._shown[1])
            attempt.answer = Answer("all objects are dropped")
        tell(attempt)


def _view(stream: Stream, stamp_ns: int, image: np.ndarray, result: FrameResult) -> View:
    """The view of an image and its result, with only the objects that still are there."""
    there = frozenset(stream.session.sam_pt.object_ids)
    objects = tuple(item for item in result.objects if item.id in there)
    others = there - {item.id for item in objects}
    return View(stamp_ns, image, replace(result, objects=objects), others=others)
