"""Tasks on workers: what all kinds of workers have in common, and the simplest kind."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from traceback import extract_tb
from typing import Any, Generic, TypeAlias, TypeVar

from sampt_ros.errors import SamPtError

Item = TypeVar("Item")
Value = TypeVar("Value")

MOST_ATTEMPTS = 3  # A task is given up after so many workers died of it.

_log = logging.getLogger(__name__)


class TaskError(SamPtError, RuntimeError):
    """A task failed on its worker; the message is the worker's."""


@dataclass(frozen=True)
class Attempt(Generic[Value]):
    """How a task went: its value, or in `error` why there is none."""

    value: Value | None = None
    error: str = ""

    def result(self) -> Value:
        """The value; raises TaskError where there is none."""
        if self.value is None:
            raise TaskError(self.error)
        return self.value


# Names of tasks with how they went, in the order in which they end.
Attempts: TypeAlias = Generator[tuple[str, Attempt[Value]], None, None]


class Workers(ABC):
    """Something that carries out tasks, each once."""

    @abstractmethod
    def run(self, function: Callable[[Item], Value], items: Mapping[str, Item]) -> Attempts[Value]:
        """Call a function with each of the items; yields its name and how it went, in the order in which they end.

        function  of a module that workers can import; what it returns, but not None, travels back, so it is to be small
        items     by name; they travel to the workers

        A task that raises an error has failed. One whose worker dies is tried again on another one. Closing the
        iterator ends the tasks that are running.
        """


class ThisProcess(Workers):
    """Carries out one task after the other, here. Errors are raised, as from any function."""

    def run(self, function: Callable[[Item], Value], items: Mapping[str, Item]) -> Attempts[Value]:
        for name, item in items.items():
            yield name, Attempt(function(item))


def attempt(function: Callable[[Any], Value], item: Any) -> Attempt[Value]:
    """Call a function on a worker; any error becomes a sentence, since not every error can travel."""
    try:
        return Attempt(function(item))
    except SamPtError as error:
        return Attempt(error=" ".join(str(error).split()))
    except Exception as error:
        _log.warning("a task failed", exc_info=True)
        place = extract_tb(error.__traceback__)[-1]
        return Attempt(error=f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})")
