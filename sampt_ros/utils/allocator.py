"""Limits how much freed memory the C library keeps.

Each frame allocates and frees tens of MiB. glibc serves threads from several arenas, which do not share their free
memory, and it returns memory to the system only from an arena's end. A process that runs for hours would hold more and
more unused memory. Our own processes therefore use one arena, so that any thread reuses what another has freed, and
return free pages between live allocations now and then.
"""

from __future__ import annotations

import ctypes
import math
import os
import time

from sampt_ros.utils.machine import resident_memory

# Parameters of mallopt, as malloc.h numbers them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_MIB = 2**20
_KEPT_AT_END = 64 * _MIB  # Free memory that is kept at the arena's end, as the next frame needs it again.
_OWN_PAGES = 32 * _MIB  # Larger blocks get pages of their own, which are returned when freed; glibc's largest value.
_LOOK_EVERY, _GIVE_BACK_EVERY = 10.0, 60.0  # seconds
_GROWTH = 1.25, 64 * _MIB  # Free pages are returned sooner if memory has grown by this factor plus these bytes.
_USER_SETTINGS = ("MALLOC_", "GLIBC_TUNABLES")  # Prefixes of environment variables by which users configure malloc.


def use_one_arena() -> bool:
    """Configure malloc to keep little freed memory, in a process that is entirely ours; returns whether it did.

    Call this as early as possible, because existing threads keep their arenas; repeated calls have no effect. Nothing
    is changed with a C library other than glibc, or if environment variables (MALLOC_ARENA_MAX, GLIBC_TUNABLES, ...)
    configure malloc.
    """
    glibc = _glibc()
    if glibc is None or any(name.startswith(_USER_SETTINGS) for name in os.environ):
        return False
    settings = {_ARENA_MAX: 1, _MMAP_THRESHOLD: _OWN_PAGES, _TRIM_THRESHOLD: _KEPT_AT_END}
    return all(glibc.mallopt(parameter, value) == 1 for parameter, value in settings.items())


class FreePages:
    """Returns a process's free pages between live allocations to the system.

    That takes some milliseconds, and pages that are needed again cost time too, so it is done once a minute, and sooner
    only if memory has grown.
    """

    def __init__(self, look_every: float = _LOOK_EVERY, give_back_every: float = _GIVE_BACK_EVERY) -> None:
        """look_every: seconds between checks of the process's memory; give_back_every: seconds between returns."""
        self._look_every, self._give_back_every = look_every, give_back_every
        self._next_look = time.monotonic() + look_every
        self._given_back = -math.inf  # when pages were last returned
        self._kept = 0  # bytes that were resident after that
        self._glibc = _glibc()

    def give_back(self) -> bool:
        """Return free pages if it is time to; returns whether it did. Does nothing without glibc."""
        now = time.monotonic()
        if self._glibc is None or now < self._next_look:
            return False
        self._next_look = now + self._look_every
        factor, more = _GROWTH
        if now < self._given_back + self._give_back_every and resident_memory() <= factor * self._kept + more:
            return False
        self._glibc.malloc_trim(0)
        self._given_back, self._kept = now, resident_memory()
        return True


def _glibc() -> ctypes.CDLL | None:
    """The C library, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # TypeError: Windows
        return None
    return library if hasattr(library, "gnu_get_libc_version") else None
