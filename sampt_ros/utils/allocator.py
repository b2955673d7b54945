"""How much freed memory the C library keeps.

Each frame takes and gives back tens of MiB. glibc serves several threads from several arenas, of which none uses what
another one has free, and it gives back only what lies at an arena's end. A process that runs for hours would hold ever
more memory that nothing uses. In a process of our own there is one arena: what one thread frees, the next one takes,
and what is free between things that stay is given back now and then.
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
_KEPT_AT_END = 64 * _MIB  # So much that is free at the arena's end stays, as the next frame takes it again.
_OWN_PAGES = 32 * _MIB  # What is larger has pages of its own, which go back when it is freed; glibc's largest value.
_LOOK_EVERY, _GIVE_BACK_EVERY = 10.0, 60.0  # seconds
_GROWTH = 1.25, 64 * _MIB  # Free pages are given back sooner when memory has grown by this factor and bytes.
_USER_SETTINGS = ("MALLOC_", "GLIBC_TUNABLES")  # Environment variables by which a user says how it is to be.


def use_one_arena() -> bool:
    """Let this process, which must be one of our own, keep little freed memory; returns whether it does.

    To be called as early as can be: threads that are there already keep their arenas. Once more changes nothing.
    Nothing is changed with another C library than glibc, and where environment variables (MALLOC_ARENA_MAX,
    GLIBC_TUNABLES, ...) say how it is to be.
    """
    glibc = _glibc()
    if glibc is None or any(name.startswith(_USER_SETTINGS) for name in os.environ):
        return False
    settings = {_ARENA_MAX: 1, _MMAP_THRESHOLD: _OWN_PAGES, _TRIM_THRESHOLD: _KEPT_AT_END}
    return all(glibc.mallopt(parameter, value) == 1 for parameter, value in settings.items())


class FreePages:
    """Gives back the pages of a process that lie free between what stays, as objects that come and go leave them.

    That takes some milliseconds, and pages that are needed again cost time too: it is done once a minute, and sooner
    only after growth.
    """

    def __init__(self, look_every: float = _LOOK_EVERY, give_back_every: float = _GIVE_BACK_EVERY) -> None:
        """look_every: seconds from one look at the process's memory to the next, give_back_every: see above"""
        self._look_every, self._give_back_every = look_every, give_back_every
        self._next_look = time.monotonic() + look_every
        self._given_back = -math.inf  # when pages were given back last
        self._kept = 0  # bytes that were resident then
        self._glibc = _glibc()

    def give_back(self) -> bool:
        """Give pages back where it is time for that; returns whether they were.

        With another C library than glibc nothing is done.
        """
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
