from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from sampt_ros.evaluation.speed.busy_processes import BusyProcesses

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


def state(pid: int) -> str:
    """R: it computes; T: it is stopped; "": it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def wait_until(pid: int, states: Sequence[str]) -> None:
    for _ in range(1000):
        if state(pid) in states:
            return
        time.sleep(0.01)
    pytest.fail(f"the process is in state {state(pid)!r}, not in one of {states!r}")


def test_they_compute_only_while_they_are_asked_to_and_are_gone_in_the_end():
    with BusyProcesses(2) as others:
        pids = [process.pid for process in others._processes]
        assert len(pids) == 2
        for pid in pids:
            wait_until(pid, "T")
        with others.running():
            for pid in pids:
                wait_until(pid, "R")
        for pid in pids:
            wait_until(pid, "T")
    assert [state(pid) for pid in pids] == ["", ""]


def test_they_end_when_the_process_that_started_them_is_killed():
    program = (
        "import os, signal\nfrom sampt_ros.evaluation.speed.busy_processes import BusyProcesses\n"
        "with BusyProcesses(1) as others, others.running():\n"
        "    print(others._processes[0].pid, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    wait_until(int(done.stdout), ("", "Z"))


def test_none_is_none():
    with BusyProcesses(0) as others, others.running():
        assert others._processes == []
