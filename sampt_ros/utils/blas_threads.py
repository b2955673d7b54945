"""NumPy's matrix products on one thread.

After a product, OpenBLAS's other threads go on spinning for tens of milliseconds on cores that the networks need.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def on_one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A decorator: the function's matrix products run on one thread, where threadpoolctl is installed."""

    @wraps(function)
    def limited(*arguments: _P.args, **named: _P.kwargs) -> _R:
        with _LIMIT.held():
            return function(*arguments, **named)

    return limited


def stay_on_one_thread() -> None:
    """All matrix products of this process, which must be one of our own, run on one thread from now on.

    Where threadpoolctl is installed, and OPENBLAS_NUM_THREADS does not say otherwise.
    """
    if "OPENBLAS_NUM_THREADS" not in os.environ and (controller := _controller()) is not None:
        controller.limit(limits=1, user_api="blas")


class _Limit:
    """One thread as long as anybody holds the limit, then as many as before the first one.

    The libraries' numbers of threads are the whole process's, so whoever set them back on their own would do so under
    another thread that still holds the limit.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limiter: Any = None

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if self._holders == 0 and (controller := _controller()) is not None:
                self._limiter = controller.limit(limits=1, user_api="blas")
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0 and self._limiter is not None:
                    self._limiter.restore_original_limits()
                    self._limiter = None


_LIMIT = _Limit()


@cache
def _controller() -> Any:
    """The controller of all loaded BLAS libraries, made once since it has to find them; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()
