"""What passes from the receiving thread to the working one: the newest frame, and every errand."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent

_CLOSED = "expected an active node; it stopped before this was done"


def _nothing(reason: str) -> None:
    pass


@dataclass(frozen=True, eq=False)
class Errand:
    """Something to be done between two frames.

    act      does it, in the working thread
    refuse   is given the reason where it will not be done any more
    outcome  what to tell where it fails; empty: it is a query, which is refused then
    """

    act: Callable[[Stream], object]
    refuse: Callable[[str], object] = _nothing
    outcome: str = ""

    @property
    def is_query(self) -> bool:
        return not self.outcome


@dataclass(frozen=True, eq=False)
class Batch:
    """The newest frame since the last batch, those that it pushed out, and the oldest errands, in order."""

    newest: ImageEvent | None = None
    skipped: list[ImageEvent] = field(default_factory=list)
    errands: list[Errand] = field(default_factory=list)


class Mailbox:
    """Newest frame wins: a frame that nobody took in time is skipped, never queued.

    Errands are never lost: each is carried out, or told that it is not. However many come, frames come in between.
    """

    def __init__(self, remembered: int = 64) -> None:
        """remembered: how many skipped frames are handed on at most."""
        self._changed = threading.Condition()
        self._newest: ImageEvent | None = None
        self._skipped: deque[ImageEvent] = deque(maxlen=remembered)
        self._errands: deque[Errand] = deque()
        self._closed = False

    def put_frame(self, event: ImageEvent) -> bool:
        """Hand in a frame; False if it pushed out one that was still waiting."""
        with self._changed:
            waiting = self._newest
            if waiting is not None:
                self._skipped.append(waiting)
            self._newest = event
            self._changed.notify()
        return waiting is None

    def put_errand(self, errand: Errand) -> None:
        """Hand in something to be done between two frames; it is refused if the mailbox is closed."""
        with self._changed:
            closed = self._closed
            if not closed:
                self._errands.append(errand)
                self._changed.notify()
        if closed:
            errand.refuse(_CLOSED)

    @property
    def queries(self) -> int:
        """How many queries wait."""
        with self._changed:
            return sum(errand.is_query for errand in self._errands)

    def take(self, most_queries: int | None = None) -> Batch | None:
        """Wait for something to come in and take it; None once the mailbox is closed.

        most_queries  how many to take at most, so that a frame comes after them; None: all
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest or self._errands)
            if self._closed:
                return None
            batch = Batch(self._newest, list(self._skipped), self._first_errands(most_queries))
            self._newest = None
            self._skipped.clear()
            return batch

    def close(self) -> None:
        """Let `take` return None from now on, and refuse the errands that nobody has taken."""
        with self._changed:
            self._closed = True
            left = list(self._errands)
            self._errands.clear()
            self._changed.notify()
        for errand in left:
            with suppress(Exception):  # one that cannot be told must not keep the others from it
                errand.refuse(_CLOSED)

    def _first_errands(self, most_queries: int | None) -> list[Errand]:
        """Take the errands up to the last query that is for now; their order stays."""
        taken: list[Errand] = []
        queries = 0
        while self._errands:
            queries += self._errands[0].is_query
            if most_queries is not None and queries > most_queries:
                break
            taken.append(self._errands.popleft())
        return taken
