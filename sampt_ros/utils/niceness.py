"""Lowers the scheduling priority of threads."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

_NICE = 10  # Of at most 19, the lowest priority.


def lower_priority() -> None:
    """Lower the priority of this thread, and of those that it starts from now on.

    On Linux each thread has its own niceness; on other systems nothing happens.
    """
    with suppress(AttributeError, OSError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, max(_NICE, os.getpriority(os.PRIO_PROCESS, thread)))
