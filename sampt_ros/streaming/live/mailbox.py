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
_MOST_AT_ONCE = 16  # Queries between two frames: one for each object, as of a detector, and no flood of them.
_MOST_WAITING = 64  # Queries that wait to be worked on; more are refused.


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
        """Hand in something to be done between two frames.

        It is refused if the mailbox is closed, and a query also if many queries wait already.
        """
        with self._changed:
            reason = _CLOSED if self._closed else self._crowd() if errand.is_query else ""
            if not reason:
                self._errands.append(errand)
                self._changed.notify()
        if reason:
            errand.refuse(reason)

    def take(self) -> Batch | None:
        """Wait for something to come in and take it, of queries the first 16; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest or self._errands)
            if self._closed:
                return None
            batch = Batch(self._newest, list(self._skipped), self._first_errands())
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

    def _first_errands(self) -> list[Errand]:
        """Take the errands up to the last query that is for now; their order stays."""
        taken: list[Errand] = []
        while self._errands:
            if self._errands[0].is_query and sum(errand.is_query for errand in taken) >= _MOST_AT_ONCE:
                break
            taken.append(self._errands.popleft())
        return taken

    def _crowd(self) -> str:
        """Why no more queries are taken for now; empty: they are."""
        waiting = sum(errand.is_query for errand in self._errands)
        return "" if waiting < _MOST_WAITING else f"expected fewer queries at a time; {waiting} wait to be worked on"
