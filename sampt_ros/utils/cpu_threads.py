"""A CPU's threads beside other programs: few that compute, none that spins while it waits.

torch takes a thread for every core, and each spins at every barrier until the last one is there. On a CPU that other
programs use as well, the last one waits for its turn while all others burn what they have.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from sampt_ros.utils.machine import usable_cores

_C = TypeVar("_C")
_FEWEST, _MOST = 2, 4  # Threads that are taken where nobody says how many.
# How waiting threads of OpenMP, GNU's and Intel's, sleep. They are read when torch is imported.
_SLEEP_AT_ONCE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}


def thread_count(configured: int) -> int:
    """How many threads the parameter `cpu_threads` means here; 0: half of the cores, but 2 to 4 if there are any."""
    cores = usable_cores()
    return configured or min(cores, max(_FEWEST, min(_MOST, cores // 2)))


def do_not_spin() -> None:
    """Let torch's waiting threads sleep in this process, which must be one of our own.

    To be called before torch is imported. What environment variables say already stays as it is.
    """
    for name, value in _SLEEP_AT_ONCE.items():
        os.environ.setdefault(name, value)


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Inside, torch computes on so many threads, if anybody has imported it; afterwards on as many as before."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else count
    if before == count:
        yield
        return
    torch.set_num_threads(count)  # type: ignore[union-attr]
    try:
        yield
    finally:
        torch.set_num_threads(before)  # type: ignore[union-attr]


def on_cpu_threads(*names: str) -> Callable[[type[_C]], type[_C]]:
    """A class decorator: in these methods torch computes on as many threads as `self.config.cpu_threads` means."""

    def decorate(cls: type[_C]) -> type[_C]:
        for name in names:
            setattr(cls, name, _limited(getattr(cls, name)))
        return cls

    return decorate


def _limited(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def limited(self: Any, *arguments: Any, **named: Any) -> Any:
        with torch_threads(thread_count(self.config.cpu_threads)):
            return method(self, *arguments, **named)

    return limited
