"""NumPy's matrix products on one thread.

After a product, OpenBLAS's other threads go on spinning for tens of milliseconds on cores that the networks need.
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
    if "OPENBLAS_NUM_THREADS" not in os.environ:
        _LIMIT.stay()


class _Limit:
    """One thread as long as any function in this process holds the limit, then as many as before.

    The libraries' numbers of threads are the whole process's. So whoever comes first changes them, and whoever leaves
    last, maybe in another thread, changes them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._limited = ExitStack()
        self._stays = False

    def stay(self) -> None:
        """Never give the other threads back."""
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
    """The controller of all loaded BLAS libraries, made once since it has to find them; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()
