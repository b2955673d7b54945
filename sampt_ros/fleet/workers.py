"""The interface of all kinds of workers, which run tasks, and the simplest kind."""

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

MOST_ATTEMPTS = 3  # A task is given up after this many workers died while they ran it.

_log = logging.getLogger(__name__)


class TaskError(SamPtError, RuntimeError):
    """A task failed on its worker; the message is that of the error there."""


@dataclass(frozen=True)
class Attempt(Generic[Value]):
    """The outcome of a task: its value, or in `error` the reason why there is none."""

    value: Value | None = None
    error: str = ""

    def result(self) -> Value:
        """The value; raises TaskError if there is none."""
        if self.value is None:
            raise TaskError(self.error)
        return self.value


# Names of tasks with their outcomes, in the order in which they end.
Attempts: TypeAlias = Generator[tuple[str, Attempt[Value]], None, None]


class Workers(ABC):
    """Runs tasks, each once."""

    @abstractmethod
    def run(self, function: Callable[[Item], Value], items: Mapping[str, Item]) -> Attempts[Value]:
        """Call a function with each of the items; yields its name and the outcome, in the order in which they end.

        function  a function of a module that the workers can import. Its result, which must not be None, is sent back,
                  so it should be small
        items     items by name, which are sent to the workers

        A task that raises an error has failed. If a worker dies, its task is tried again on another one. Closing the
        iterator ends the tasks that are running.
        """


class ThisProcess(Workers):
    """Runs one task after the other in this process."""

    def run(self, function: Callable[[Item], Value], items: Mapping[str, Item]) -> Attempts[Value]:
        for name, item in items.items():
            yield name, attempt(function, item)


def attempt(function: Callable[[Any], Value], item: Any) -> Attempt[Value]:
    """Call a function on a worker; an error becomes a text, because not every exception can be sent to the caller."""
    try:
        return Attempt(function(item))
    except SamPtError as error:
        return Attempt(error=" ".join(str(error).split()))
    except Exception as error:
        _log.warning("a task failed", exc_info=True)
        place = extract_tb(error.__traceback__)[-1]
        return Attempt(error=f"{type(error).__name__}: {error} ({place.filename}, line {place.lineno})")
