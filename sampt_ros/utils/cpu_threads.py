"""A CPU's threads beside other programs: few that compute, none that spins while it waits.

torch takes a thread for every core, and each spins at every barrier until the last one is there. On a CPU that other
programs use as well, the last one waits for its turn while all others burn what they have. OpenCV shares even the
smallest scaling of an image out to all cores, and waits likewise.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

import cv2

from sampt_ros.utils.blas_threads import stay_on_one_thread
from sampt_ros.utils.machine import usable_cores

_C = TypeVar("_C")
_FEWEST, _MOST = 2, 4  # Threads that are taken where nobody says how many.
# How waiting threads of OpenMP, GNU's and Intel's, sleep. They are read when torch is imported.
_SLEEP_AT_ONCE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
_OPENCV_THREADS = "OPENCV_FOR_THREADS_NUM"  # OpenCV's own variable for how many threads it has
_set_here: set[str] = set()  # those that this process has set


def thread_count(configured: int) -> int:
    """How many threads the parameter `cpu_threads` means here.

    0: half of the cores, but 2 to 4; never more than there are, or than the environment variable OMP_NUM_THREADS says
    """
    if configured:
        return configured
    cores = usable_cores()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(wanted) if wanted.isdecimal() and int(wanted) else cores
    return min(cores, limit, max(_FEWEST, min(_MOST, cores // 2)))


def do_not_spin() -> None:
    """Let no thread wait for another one's turn in this process, which must be one of our own.

    torch's waiting threads sleep, and OpenCV and NumPy compute on the thread that calls them. To be called before torch
    is imported. What environment variables say already stays as it is.
    """
    if _OPENCV_THREADS not in os.environ:
        cv2.setNumThreads(1)
    stay_on_one_thread()
    ours = {name: value for name, value in _SLEEP_AT_ONCE.items() if name not in os.environ}
    os.environ.update(ours)
    _set_here.update(ours)


def environment_for_others() -> dict[str, str]:
    """The environment variables as they were before `do_not_spin`, for programs that choose for themselves."""
    return {name: value for name, value in os.environ.items() if name not in _set_here}


@contextmanager
def torch_threads(configured: int) -> Iterator[None]:
    """Inside, torch computes on the threads that `cpu_threads` means, if anybody has imported it; then as before.

    configured: as for `thread_count`; with 0 they are not more than torch has
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(configured or min(before, thread_count(0)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
        with torch_threads(self.config.cpu_threads):
            return method(self, *arguments, **named)

    return limited
