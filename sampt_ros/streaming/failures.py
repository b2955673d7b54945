"""What happens to a frame or a query that fails: it is dropped, counted and told, and the stream goes on."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from sampt_ros.errors import QueryError, SamPtError
from sampt_ros.streaming.requests import Answer
from sampt_ros.streaming.statistics import StreamStatistics

# How failures are counted.
FRAMES = "frames_rejected"
QUERIES = "queries_refused"
DEPTH = "depth_rejected"
CAMERA = "camera_info_rejected"
TASKS = "tasks_failed"


class Log(Protocol):
    """Where a stream tells what happens; logging.Logger's methods, and one more."""

    def debug(self, message: str) -> None: ...

    def info(self, message: str) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str) -> None:
        """A fault with its trace, which may come again with every frame, and is not told every time."""

    def repeated(self, message: str) -> None:
        """A warning that may come again with every frame, and is not told every time."""


@dataclass
class Attempt:
    """How a piece of work went.

    error   what it ended with; None if it was done
    reason  the same in words; empty if it was done
    answer  what came of it, if it was a request
    """

    error: Exception | None = None
    reason: str = ""
    answer: Answer | None = None


class Failures:
    """The boundary around each frame and each query: no error gets out, and none is lost.

    An error of this package says what was expected and what came: the reason is told as a warning, its trace at debug
    level. Any other error is a fault in the program or in what it computes with: its trace is told as an error, and it
    is never called a bad image or a bad query.
    """

    def __init__(self, statistics: StreamStatistics, log: Log) -> None:
        self.statistics = statistics
        self.log = log

    def frame(self, outcome: str = "the image is dropped") -> AbstractContextManager[Attempt]:
        """Around the work on a frame. Failures count as frames_rejected; as they may repeat, not each is told."""
        return self._guarded(FRAMES, outcome, self.log.repeated)

    def query(self, outcome: str = "the query is refused") -> AbstractContextManager[Attempt]:
        """Around the work on a query, or whatever else people asked for. Failures count as queries_refused."""
        return self._guarded(QUERIES, outcome, self.log.warning)

    def depth(self, outcome: str = "no 3D") -> AbstractContextManager[Attempt]:
        """Around the work on depth. Failures count as depth_rejected; as they may repeat, not each is told."""
        return self._guarded(DEPTH, outcome, self.log.repeated)

    def task(self, outcome: str) -> AbstractContextManager[Attempt]:
        """Around all other work, such as publishing. Failures count as tasks_failed; not each is told."""
        return self._guarded(TASKS, outcome, self.log.repeated)

    def refuse(self, reason: str) -> Attempt:
        """Count and tell a query that was not worked on at all."""
        with self.query() as attempt:
            raise QueryError(reason)
        return attempt

    def camera(self, outcome: str = "the CameraInfo is ignored") -> AbstractContextManager[Attempt]:
        """Around the reading of a CameraInfo. Failures count as camera_info_rejected; not each is told."""
        return self._guarded(CAMERA, outcome, self.log.repeated)

    @contextmanager
    def _guarded(self, kind: str, outcome: str, tell: Callable[[str], None]) -> Iterator[Attempt]:
        attempt = Attempt()
        try:
            yield attempt
        except SamPtError as error:
            attempt.error, attempt.reason = error, str(error)
            tell(f"{outcome}: {attempt.reason}")
            self.log.debug(traceback.format_exc())
        except Exception as error:  # a fault must not end the stream
            attempt.error, attempt.reason = error, f"{type(error).__name__}: {error}"
            self.log.error(f"{outcome}, because of a fault:\n{traceback.format_exc()}")
        if attempt.error is not None:
            self.statistics.count(kind, attempt.reason)
