"""The interface between the page and the program that runs the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.streaming.requests import Reference, Request

Show = Callable[[View], None]
Tell = Callable[[Attempt], None]


class Backend(Protocol):
    """A stream that people watch and operate.

    Every method returns at once, and may be called from any thread. `tell` is called, perhaps later, from any thread,
    with what came of the request.
    """

    def watch(self, show: Show | None) -> None:
        """Call `show` with every new view from now on, from any thread; None: nobody is watching."""

    def condition(self) -> Condition:
        """The condition of the stream now."""

    def ask(self, request: Request, tell: Tell) -> None:
        """Carry out a request."""

    def refer(self, reference: Reference, tell: Tell) -> None:
        """Search for an object that is known from a picture."""

    def reset(self, tell: Tell) -> None:
        """Drop all objects."""

    def pause(self, paused: bool, tell: Tell) -> None:
        """Pause tracking, or resume it."""
