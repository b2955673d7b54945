"""NumPy's matrix products on one thread.

After a product, OpenBLAS's other threads go on spinning for tens of milliseconds on cores that the networks need.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def on_one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A decorator: the function's matrix products run on one thread, where threadpoolctl is installed."""

    @wraps(function)
    def limited(*arguments: _P.args, **named: _P.kwargs) -> _R:
        with _limit():
            return function(*arguments, **named)

    return limited


def _limit() -> AbstractContextManager[Any]:
    controller = _controller()
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")


@cache
def _controller() -> Any:
    """The controller of all loaded BLAS libraries, made once since it has to find them; None without threadpoolctl."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()
