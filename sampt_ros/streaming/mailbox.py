"""What passes from the receiving thread to the working one: the newest frame, and every request."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sampt_ros.streaming.tracked_frame import ImageEvent

Request = Callable[[Any], None]  # is given the stream that it is about


@dataclass(frozen=True, eq=False)
class Batch:
    """Everything that came in since the last one, in order."""

    newest: ImageEvent | None = None
    skipped: list[ImageEvent] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)


class Mailbox:
    """Newest frame wins: a frame that nobody took in time is skipped, never queued; requests are never lost."""

    def __init__(self, remembered: int = 64) -> None:
        """remembered: how many skipped frames are handed on at most."""
        self._changed = threading.Condition()
        self._newest: ImageEvent | None = None
        self._skipped: deque[ImageEvent] = deque(maxlen=remembered)
        self._requests: deque[Request] = deque()
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

    def put_request(self, request: Request) -> None:
        """Hand in something to be done between two frames."""
        with self._changed:
            self._requests.append(request)
            self._changed.notify()

    def take(self) -> Batch | None:
        """Wait for something to come in and take all of it; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest or self._requests)
            if self._closed:
                return None
            batch = Batch(self._newest, list(self._skipped), list(self._requests))
            self._newest = None
            self._skipped.clear()
            self._requests.clear()
            return batch

    def close(self) -> None:
        """Let `take` return None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify()
