"""What happens to a frame or a query that fails: it is dropped, counted and logged, and the stream goes on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from sampt_ros.errors import QueryError, SamPtError
from sampt_ros.streaming.requests import Answer
from sampt_ros.streaming.statistics import StreamStatistics

# Names of the counters of failures.
FRAMES = "frames_rejected"
QUERIES = "queries_refused"
DEPTH = "depth_rejected"
CAMERA = "camera_info_rejected"
TASKS = "tasks_failed"


class Log(Protocol):
    """The log of a stream: methods of logging.Logger, and one more."""

    def debug(self, message: str) -> None: ...

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None:
        """Log a fault with its traceback. It may recur with every frame, so not every occurrence is logged."""

    def repeated(self, message: str) -> None:
        """Log a warning that may recur with every frame; not every occurrence is logged."""


@dataclass
class Attempt:
    """The outcome of one piece of work.

    error   the exception that ended it; None on success
    reason  the same in words; empty on success
    answer  the answer, if the work was a request
    """

    error: Exception | None = None
    reason: str = ""
    answer: Answer | None = None


class Failures:
    """The error boundary around each frame and each query: no exception escapes, and none is lost.

    An error of this package (SamPtError) means bad input: its message is logged as a warning, its traceback at debug
    level. Any other exception is a fault of the program or its dependencies: its traceback is logged as an error, and
    it is never reported as bad input.
    """

    def __init__(self, statistics: StreamStatistics, log: Log) -> None:
        self.statistics = statistics
        self.log = log

    def frame(self, outcome: str = "the image is dropped") -> AbstractContextManager[Attempt]:
        """Guard the work on a frame. Failures count as frames_rejected; they may recur, so not each is logged."""
        return self._guarded(FRAMES, outcome, self.log.repeated)

    def query(self, outcome: str = "the query is refused") -> AbstractContextManager[Attempt]:
        """Guard the work on a query or another request. Failures count as queries_refused."""
        return self._guarded(QUERIES, outcome, self.log.warning)

    def depth(self, outcome: str = "no 3D") -> AbstractContextManager[Attempt]:
        """Guard the work on depth. Failures count as depth_rejected; they may recur, so not each is logged."""
        return self._guarded(DEPTH, outcome, self.log.repeated)

    def task(self, outcome: str) -> AbstractContextManager[Attempt]:
        """Guard all other work, such as publishing. Failures count as tasks_failed; not each is logged."""
        return self._guarded(TASKS, outcome, self.log.repeated)

    def refuse(self, reason: str) -> Attempt:
        """Count and log a query that is refused before any work on it."""
        with self.query() as attempt:
            raise QueryError(reason)
        return attempt

    def camera(self, outcome: str = "the CameraInfo is ignored") -> AbstractContextManager[Attempt]:
        """Guard the reading of a CameraInfo. Failures count as camera_info_rejected; not each is logged."""
        return self._guarded(CAMERA, outcome, self.log.repeated)

    @contextmanager
    def _guarded(self, counter: str, outcome: str, log: Callable[[str], None]) -> Iterator[Attempt]:
        attempt = Attempt()
        try:
            yield attempt
        except SamPtError as error:
            attempt.error, attempt.reason = error, str(error)
            log(f"{outcome}: {attempt.reason}")
            self.log.debug(traceback.format_exc())
        except Exception as error:  # a fault must not end the stream
            attempt.error, attempt.reason = error, f"{type(error).__name__}: {error}"
            self.log.error(f"{outcome}, because of a fault:\n{traceback.format_exc()}")
        if attempt.error is not None:
            self.statistics.count(counter, attempt.reason)
