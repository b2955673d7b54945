"""Runs NumPy's matrix products on one thread.

After a product, OpenBLAS's other threads keep spinning for tens of milliseconds on cores that the networks need.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def on_one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator that runs the function's matrix products on one thread, if threadpoolctl is installed."""

    @wraps(function)
    def limited(*arguments: _P.args, **named: _P.kwargs) -> _R:
        with _LIMIT.held():
            return function(*arguments, **named)

    return limited


def stay_on_one_thread() -> None:
    """Run all matrix products on one thread from now on, in a process that is entirely ours.

    Has no effect if threadpoolctl is not installed, or if OPENBLAS_NUM_THREADS is set.
    """
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        _LIMIT.stay()


class _Limit:
    """Limits BLAS to one thread while any function in this process holds the limit.

    The number of threads is a setting of the whole process, so the first holder changes it, and the last one, possibly
    in another thread, restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limited = ExitStack()
        self._stays = False

    def stay(self) -> None:
        """Keep the limit for good."""
        if not self._stays and (controller := _controller()) is not None:
            controller.limit(limits=1, user_api="blas")
            self._stays = True

    @contextmanager
    def held(self) -> Iterator[None]:
        if self._stays:
            yield
            return
        with self._lock:
            if self._holders == 0 and (controller := _controller()) is not None:
                self._limited.enter_context(controller.limit(limits=1, user_api="blas"))
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._limited.close()


_LIMIT = _Limit()


@cache
def _controller() -> Any:
    """The controller of all loaded BLAS libraries, cached because finding them is slow; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()
