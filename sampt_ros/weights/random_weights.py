"""Networks without their weights: to try what runs and how fast, not what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_wanted = ContextVar("random weights", default=False)


@contextmanager
def random_weights(wanted: bool = True) -> Iterator[None]:
    """Networks built inside keep the weights they are made with, and need no checkpoint, if that is wanted."""
    token = _wanted.set(wanted or _wanted.get())
    try:
        yield
    finally:
        _wanted.reset(token)


def are_random() -> bool:
    """Whether networks that are built now keep the weights they are made with."""
    return _wanted.get()
