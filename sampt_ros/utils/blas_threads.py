"""NumPy's matrix products on one thread.

OpenBLAS's other threads go on spinning for tens of milliseconds after a product, on cores that the networks need then.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def on_one_thread(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function with its matrix products on one thread, where threadpoolctl is installed."""

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
    """Made once: it looks through all libraries that are loaded."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()
