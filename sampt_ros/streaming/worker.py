"""The thread that does the work of a stream, so that nobody else waits for it. No ROS in it."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

from sampt_ros.errors import INFERENCE_ERRORS, SamPtError
from sampt_ros.streaming.mailbox import Arrival, Mailbox
from sampt_ros.streaming.session import Session
from sampt_ros.streaming.statistics import StreamStatistics


class Worker:
    """Takes what a mailbox holds: tracks the newest frame, then answers the requests.

    Whatever goes wrong in one of them is counted and told, and the next one is done.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        session: Session,
        track: Callable[[Session, Arrival], None],
        statistics: StreamStatistics,
        warn: Callable[[str], None],
    ) -> None:
        """track: brings the session to a frame; warn: tells people. The thread starts here and calls both."""
        self._mailbox = mailbox
        self._session = session
        self._track = track
        self._statistics = statistics
        self._warn = warn
        self._thread = threading.Thread(target=self._work, name="sampt_worker")
        self._thread.start()

    def stop(self) -> None:
        """Let it finish its frame, and wait for it."""
        self._mailbox.close()
        self._thread.join()

    def _work(self) -> None:
        while (batch := self._mailbox.take()) is not None:
            for skipped in batch.skipped:
                self._session.remember(skipped.stamp_ns, skipped.load)
            if batch.newest is not None:
                self._guarded("frames_rejected", self._track, self._session, batch.newest)
            for request in batch.requests:
                self._guarded("queries_refused", request, self._session)

    def _guarded(self, what: str, act: Callable[..., None], *values: object) -> None:
        try:
            act(*values)
        except SamPtError as error:
            self._statistics.count(what, str(error))
            self._warn(f"{what.replace('_', ' ')}: {error}")
        except INFERENCE_ERRORS as error:
            self._statistics.count(what, f"{type(error).__name__}: {error}")
            self._warn(f"{what.replace('_', ' ')}:\n{traceback.format_exc()}")
