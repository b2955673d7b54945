"""Threads that let others go first."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

_NICE = 10  # Of 19; the higher, the more others go first.


def lower_priority() -> None:
    """Let other threads go before this one, and before those that it starts from now on.

    On Linux each thread has a niceness of its own; elsewhere nothing happens.
    """
    with suppress(AttributeError, OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))
