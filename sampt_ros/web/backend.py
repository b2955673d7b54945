"""What the page needs of whoever runs the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.streaming.requests import Reference, Request

Tell = Callable[[Attempt], None]


class Backend(Protocol):
    """A stream that people look at and operate. Every method returns at once, and may be called from any thread."""

    def watch(self, show: Callable[[View], None]) -> None:
        """Give every new view to `show` from now on, from whatever thread; `show` returns at once."""

    def condition(self) -> Condition:
        """How the stream is."""

    def ask(self, request: Request, tell: Tell) -> None:
        """Have a request carried out; `tell` hears what came of it, or that it is on its way, from whatever thread."""

    def refer(self, reference: Reference, tell: Tell) -> None:
        """Have an object looked for that is known from a picture; `tell` as in `ask`."""

    def reset(self) -> None:
        """Drop all objects."""

    def pause(self, paused: bool) -> None:
        """Stop, or go on."""
