"""Limits CPU threads, so that other programs can run beside: few threads compute, and none spins while it waits.

torch uses a thread for every core, and each spins at every barrier until the last one arrives. On a CPU that other
programs use as well, the last one waits to be scheduled while all others waste their time. OpenCV distributes even the
smallest resizing over all cores, with the same effect.
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
_MIN_THREADS, _MAX_THREADS = 2, 4  # Limits of the default number of threads.
# Let waiting threads of OpenMP (GNU's and Intel's) sleep. These variables are read when torch is imported.
_SLEEP_AT_ONCE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
_OPENCV_THREADS = "OPENCV_FOR_THREADS_NUM"  # OpenCV's own variable for its number of threads
_set_here: set[str] = set()  # variables that this process has set


def thread_count(configured: int) -> int:
    """The number of threads for a value of the parameter `cpu_threads`.

    0: half of the cores, but 2 to 4, and never more than there are or than the environment variable OMP_NUM_THREADS
    allows
    """
    if configured:
        return configured
    cores = usable_cores()
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    limit = int(wanted) if wanted.isdecimal() and int(wanted) else cores
    return min(cores, limit, max(_MIN_THREADS, min(_MAX_THREADS, cores // 2)))


def do_not_spin() -> None:
    """Configure a process that is entirely ours so that no thread spins while it waits for others.

    torch's waiting threads sleep, and OpenCV and NumPy compute on the calling thread. Call this before torch is
    imported. Environment variables that are already set take precedence.
    """
    if _OPENCV_THREADS not in os.environ:
        cv2.setNumThreads(1)
    stay_on_one_thread()
    ours = {name: value for name, value in _SLEEP_AT_ONCE.items() if name not in os.environ}
    os.environ.update(ours)
    _set_here.update(ours)


def environment_for_others() -> dict[str, str]:
    """The environment variables without those set by `do_not_spin`, for starting other programs."""
    return {name: value for name, value in os.environ.items() if name not in _set_here}


@contextmanager
def torch_threads(configured: int) -> Iterator[None]:
    """Set the number of torch's threads for a block, if torch has been imported.

    configured: as for `thread_count`; with 0 the number is never raised
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
    """Class decorator: in these methods torch uses the number of threads given by `self.config.cpu_threads`."""

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
