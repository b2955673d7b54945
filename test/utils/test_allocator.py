from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")

# Two threads that live on take and free 100 MiB, one after the other; something small that stays lies above it.
PROGRAM = """
import threading
from pathlib import Path
from sampt_ros.utils.allocator import use_one_arena

print({set_up})
stays, may_end, held = [], threading.Event(), []

def work(done):
    blocks = [bytearray(1 << 20) for _ in range(100)]
    stays.append([bytearray(5000) for _ in range(100)])
    del blocks
    held.append(int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) // 1024)
    done.set()
    may_end.wait()

for _ in range(2):
    done = threading.Event()
    threading.Thread(target=work, args=[done]).start()
    done.wait()
may_end.set()
print(held[1] - held[0])
"""


def run(set_up: str, **environment: str) -> tuple[str, int]:
    """Whether the process is set up, and MiB by which the second thread lets it grow."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    command = [sys.executable, "-c", PROGRAM.replace("{set_up}", set_up)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, env=known | environment, check=True)
    is_set_up, grown = finished.stdout.split()
    return is_set_up, int(grown)


def test_threads_take_what_others_have_freed():
    # A threshold as glibc has it after a while, for the process that is not set up.
    assert run("None", MALLOC_MMAP_THRESHOLD_=str(32 << 20))[1] > 80
    is_set_up, grown = run("use_one_arena()")
    assert is_set_up == "True"
    assert grown < 20


def test_what_the_user_says_of_the_allocator_counts():
    assert run("use_one_arena()", MALLOC_ARENA_MAX="4")[0] == "False"


FRAGMENTS = """
from sampt_ros.utils.allocator import FreePages, use_one_arena
from sampt_ros.utils.machine import resident_memory

use_one_arena()
pages, rare = FreePages(look_every=0), FreePages(look_every=3600)
gaps, stays = [], []

def fill():
    for _ in range(300):  # Between any two that are freed later, one stays.
        gaps.append(bytearray(1 << 20))
        stays.append(bytearray(5000))

fill()
print(pages.give_back(), pages.give_back(), rare.give_back())
fill()
gaps.clear()
before = resident_memory()
print(rare.give_back(), pages.give_back(), (before - resident_memory()) >> 20)
"""


def test_pages_between_what_stays_are_given_back_after_growth():
    command = [sys.executable, "-c", FRAGMENTS]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    first, grown = (line.split() for line in finished.stdout.splitlines())
    assert first == ["True", "False", "False"]  # the second time nothing has grown; the other waits for its hour
    assert grown[:2] == ["False", "True"]
    assert int(grown[2]) > 400  # MiB
