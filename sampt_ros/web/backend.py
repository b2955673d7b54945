"""What the page needs of whoever runs the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.streaming.requests import Reference, Request

Show = Callable[[View], None]
Tell = Callable[[Attempt], None]


class Backend(Protocol):
    """A stream that people look at and operate.

    Every method returns at once, and may be called from any thread. `tell` hears from whatever thread what came of what
    was asked for, sooner or later; it may hear nothing where all went well and that can be seen.
    """

    def watch(self, show: Show | None) -> None:
        """Give every new view to `show` from now on, from whatever thread; None: nobody looks."""

    def condition(self) -> Condition:
        """How the stream is."""

    def ask(self, request: Request, tell: Tell) -> None:
        """Have a request carried out."""

    def refer(self, reference: Reference, tell: Tell) -> None:
        """Have an object looked for that is known from a picture."""

    def reset(self, tell: Tell) -> None:
        """Drop all objects."""

    def pause(self, paused: bool, tell: Tell) -> None:
        """Stop, or go on."""
