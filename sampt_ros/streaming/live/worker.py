"""The thread that tracks and publishes, so that receiving messages never waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sampt_ros.streaming.live.load import LoadControl
from sampt_ros.streaming.live.mailbox import Mailbox
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent
from sampt_ros.utils.allocator import FreePages

_STOP_TIMEOUT = 60.0  # seconds that the last frame may take when the worker is stopped


class Worker:
    """Processes the content of a mailbox: the newest image first, then the tasks, each within an error boundary.

    load  measures the time per frame against the camera's period, and so chooses the stream's effort
    """

    def __init__(self, mailbox: Mailbox, stream: Stream, process: Callable[[Stream, ImageEvent], None]) -> None:
        """process: tracks the objects to an image and publishes the result. The thread starts here."""
        self.load = LoadControl()
        self._mailbox = mailbox
        self._stream = stream
        self._process = process
        self._free_pages = FreePages()
        self._thread = threading.Thread(target=self._run, name="sampt_worker", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread is running, working or waiting for work."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Close the mailbox and wait until the current frame is finished, at most a minute."""
        self._mailbox.close()
        self._thread.join(_STOP_TIMEOUT)
        if self._thread.is_alive():
            self._stream.failures.log.error(f"the current frame was not finished within {_STOP_TIMEOUT:g} s")

    def _run(self) -> None:
        # Between two frames there may be a query for each object, as from a detector; more must not stop tracking.
        while (batch := self._mailbox.take(self._stream.session.sam_pt.config.max_objects)) is not None:
            for skipped in batch.skipped:
                self.load.image_arrived(skipped.received)
                self._stream.skip(skipped)
            if batch.newest is not None:
                self.load.image_arrived(batch.newest.received)
                began = time.perf_counter()
                with self._stream.failures.frame(f"{batch.newest.name} is not published"):
                    self._process(self._stream, batch.newest)
                with self._stream.failures.task("the effort is not adapted"):
                    self._adapt_effort(time.perf_counter() - began)
            for task in batch.tasks:
                failures = self._stream.failures
                with failures.task(task.outcome) if task.outcome else failures.query():
                    task.act(self._stream)
            self._free_pages.give_back()

    def _adapt_effort(self, spent: float) -> None:
        """Choose the effort for the next frame, after one that took `spent` seconds."""
        sam_pt, log = self._stream.session.sam_pt, self._stream.failures.log
        steps = sam_pt.efforts if self._stream.options.shed_load else sam_pt.efforts[:1]
        before = self.load.step
        step = self.load.frame_done(spent, len(steps))
        sam_pt.effort = steps[step]
        if step > before:
            log.warning(f"{self.load}: now with {sam_pt.effort} (step {step} of {len(steps) - 1})")
        elif step < before:
            log.info(f"{self.load}: back to {sam_pt.effort} (step {step} of {len(steps) - 1})")
