from __future__ import annotations

import os
import platform
import subprocess
import sys
from unittest.mock import Mock

import pytest

from sampt_ros.utils import allocator

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")

# Frees 200 MiB below something small that stays, so that the C library has to keep it.
PROGRAM = """
from pathlib import Path
from sampt_ros.utils.allocator import give_back_freed_memory, use_one_arena

def resident():
    return int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) // 1024

is_ours = {set_up}
blocks = [bytearray(1 << 20) for _ in range(200)]
stays = [bytearray(5000) for _ in range(100)]
full = resident()
del blocks
give_back_freed_memory()
print(is_ours, full - resident())
"""


def given_back(set_up: str, **environment: str) -> tuple[str, int]:
    """Whether the process is set up, and MiB that it gives back."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))}
    program = PROGRAM.replace("{set_up}", set_up)
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, env=known | environment, check=True)
    is_ours, freed = run.stdout.split()
    return is_ours, int(freed)


def test_a_process_of_ours_gives_freed_memory_back():
    is_ours, freed = given_back("use_one_arena()")
    assert is_ours == "True"
    assert freed > 190


def test_a_process_of_somebody_else_is_left_alone(monkeypatch):
    glibc = Mock()
    monkeypatch.setattr(allocator, "_glibc", lambda: glibc)
    for is_ours in (False, True):
        monkeypatch.setattr(allocator, "_is_ours", is_ours)
        allocator.give_back_freed_memory()
        assert glibc.malloc_trim.called == is_ours


def test_what_the_user_says_of_the_allocator_counts():
    assert given_back("use_one_arena()", MALLOC_ARENA_MAX="4")[0] == "False"
