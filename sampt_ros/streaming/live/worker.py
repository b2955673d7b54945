"""The thread that does the work of a stream, so that nobody else waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from sampt_ros.streaming.live.load import LoadControl
from sampt_ros.streaming.live.mailbox import Mailbox
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent
from sampt_ros.utils.allocator import FreePages

_PATIENCE = 60.0  # seconds that the last frame may take when the worker is stopped


class Worker:
    """Takes what a mailbox holds: works on the newest image, then on the errands, behind the stream's boundaries.

    load  how long frames take, compared with the camera's period; the stream's effort is what it chooses
    """

    def __init__(self, mailbox: Mailbox, stream: Stream, work_on: Callable[[Stream, ImageEvent], None]) -> None:
        """work_on: brings the stream to an image and publishes what comes of it. The thread starts here."""
        self.load = LoadControl()
        self._mailbox = mailbox
        self._stream = stream
        self._work_on = work_on
        self._free_pages = FreePages()
        self._thread = threading.Thread(target=self._work, name="sampt_worker", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it works, or waits for work."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Let it finish its frame, and wait for it, though not for ever."""
        self._mailbox.close()
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self._stream.failures.log.error(f"the frame that is worked on has not ended within {_PATIENCE:g} s")

    def _work(self) -> None:
        # A query for each object between two frames, as of a detector; a flood of them does not stop tracking.
        while (batch := self._mailbox.take(self._stream.session.sam_pt.config.max_objects)) is not None:
            for skipped in batch.skipped:
                self.load.arrived(skipped.received)
                self._stream.skip(skipped)
            if batch.newest is not None:
                self.load.arrived(batch.newest.received)
                began = time.perf_counter()
                with self._stream.failures.frame(f"{batch.newest.name} is not published"):
                    self._work_on(self._stream, batch.newest)
                with self._stream.failures.task("the effort stays as it is"):
                    self._adapt(time.perf_counter() - began)
            for errand in batch.errands:
                failures = self._stream.failures
                with failures.task(errand.outcome) if errand.outcome else failures.query():
                    errand.act(self._stream)
            self._free_pages.give_back()

    def _adapt(self, spent: float) -> None:
        """Choose the effort for the next frame, after one that took so many seconds."""
        sam_pt, log = self._stream.session.sam_pt, self._stream.failures.log
        steps = sam_pt.efforts if self._stream.options.shed_load else sam_pt.efforts[:1]
        before = self.load.step
        step = self.load.worked(spent, len(steps))
        sam_pt.effort = steps[step]
        if step > before:
            log.warning(f"{self.load}: now with {sam_pt.effort} (step {step} of {len(steps) - 1})")
        elif step < before:
            log.info(f"{self.load}: back to {sam_pt.effort} (step {step} of {len(steps) - 1})")
