"""`sampt`, run in the process of the tests."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

from sampt_ros.cli import main as cli


def run(*arguments: object) -> int:
    """The exit status of `sampt ARGUMENTS`."""
    return cli.main([str(argument) for argument in arguments])


def then_interrupt(function: Callable[..., Any], ending: signal.Signals) -> Callable[..., Any]:
    """A function that does the same, after which a signal comes."""

    def interrupted(*arguments: Any) -> Any:
        result = function(*arguments)
        signal.raise_signal(ending)
        return result

    return interrupted
