"""What passes from the receiving thread to the worker thread: the newest frame, and every task."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sampt_ros.streaming.session import MAX_KEPT_BYTES
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent

_CLOSED = "expected an active node; it stopped before this was done"


def _ignore(reason: str) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Task:
    """Work to be done between two frames.

    act      does it, in the worker thread
    refuse   called with the reason if it will never be done
    outcome  what to log if it fails, "the reset fails"; empty for a query, whose failure counts as a refusal
    """

    act: Callable[[Stream], object]
    refuse: Callable[[str], object] = _ignore
    outcome: str = ""

    @property
    def is_query(self) -> bool:
        return not self.outcome


@dataclass(frozen=True, eq=False)
class Batch:
    """The newest frame since the previous batch, those that it replaced, and the oldest tasks, in order."""

    newest: ImageEvent | None = None
    skipped: list[ImageEvent] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)


class Mailbox:
    """The newest frame wins: one that is not taken in time is skipped, never queued.

    Tasks are never lost: each is done or refused. However many tasks are waiting, frames are taken in between.
    """

    def __init__(self, max_skipped: int = 64, max_bytes: int = MAX_KEPT_BYTES) -> None:
        """max_skipped, max_bytes: how many skipped frames a batch lists at most, the latest ones."""
        self._changed = threading.Condition()
        self._newest: ImageEvent | None = None
        self._skipped: deque[ImageEvent] = deque(maxlen=max_skipped)
        self._max_bytes = max_bytes
        self._tasks: deque[Task] = deque()
        self._closed = False

    def put_frame(self, event: ImageEvent) -> bool:
        """Put the newest frame; returns False if it replaced one that was still waiting."""
        with self._changed:
            waiting = self._newest
            if waiting is not None:
                self._skipped.append(waiting)
                while sum(skipped.nbytes for skipped in self._skipped) > self._max_bytes:
                    self._skipped.popleft()
            self._newest = event
            self._changed.notify()
        return waiting is None

    def put_task(self, task: Task) -> None:
        """Put a task, to be done between two frames; it is refused at once if the mailbox is closed."""
        with self._changed:
            closed = self._closed
            if not closed:
                self._tasks.append(task)
                self._changed.notify()
        if closed:
            task.refuse(_CLOSED)

    @property
    def queries(self) -> int:
        """Number of waiting queries."""
        with self._changed:
            return sum(task.is_query for task in self._tasks)

    def take(self, max_queries: int | None = None) -> Batch | None:
        """Wait until something has come in and take it; None once the mailbox is closed.

        max_queries: how many queries to take at most, so that the next frame need not wait for all; None: all
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest or self._tasks)
            if self._closed:
                return None
            batch = Batch(self._newest, list(self._skipped), self._first_tasks(max_queries))
            self._newest = None
            self._skipped.clear()
            return batch

    def close(self) -> None:
        """Let `take` return None from now on, and refuse the tasks that were not taken."""
        with self._changed:
            self._closed = True
            left = list(self._tasks)
            self._tasks.clear()
            self._changed.notify()
        for task in left:
            with suppress(Exception):  # one failing callback must not keep the other tasks from being refused
                task.refuse(_CLOSED)

    def _first_tasks(self, max_queries: int | None) -> list[Task]:
        """Remove and return the tasks before the first query beyond the maximum, in order."""
        taken: list[Task] = []
        queries = 0
        while self._tasks:
            queries += self._tasks[0].is_query
            if max_queries is not None and queries > max_queries:
                break
            taken.append(self._tasks.popleft())
        return taken
