"""Requests whose answers have not come yet, and those for which none is to be expected any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from sampt_ros.streaming.failures import Attempt

Tell = Callable[[Attempt], None]


@dataclass(frozen=True)
class OpenRequest:
    """One request.

    key    by which its answer is recognised
    tell   gets what came of it
    since  clock time in seconds when it was made
    """

    key: Hashable
    tell: Tell
    since: float


class OpenRequests:
    """The newest requests without an answer, as each holds the connection of who made it. Thread-safe."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """most: largest number that is kept; clock: seconds."""
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._requests: dict[Hashable, OpenRequest] = {}  # by key, oldest first

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, key: Hashable, tell: Tell) -> list[OpenRequest]:
        """Keep a request; returns those that are dropped for it, whose makers are to be told."""
        with self._lock:
            self._requests[key] = OpenRequest(key, tell, self._clock())
            oldest = list(self._requests)[: max(len(self._requests) - self._most, 0)]
            return [self._requests.pop(old) for old in oldest]

    def take(self, key: Hashable) -> OpenRequest | None:
        """Remove and return the request with this key; None if there is none (any more)."""
        with self._lock:
            return self._requests.pop(key, None)

    def take_older(self, seconds: float) -> list[OpenRequest]:
        """Remove and return the requests that were made more than this many seconds ago."""
        limit = self._clock() - seconds
        with self._lock:
            old = [request for request in self._requests.values() if request.since < limit]
            for request in old:
                del self._requests[request.key]
        return old
