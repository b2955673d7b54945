"""Processes that keep cores busy, as other programs of a robot would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# It ends when its parent process has ended, for whatever reason.
_PROGRAM = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(10_000))"


class BusyProcesses:
    """Processes that each keep a core busy on demand. Needs Unix signals.

    with BusyProcesses(2) as others:
        ...                         # they are stopped
        with others.running():
            ...                     # they compute
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> BusyProcesses:
        for _ in range(self.count):
            self._processes.append(subprocess.Popen([sys.executable, "-c", _PROGRAM, str(os.getpid())]))
        self._send(signal.SIGSTOP)
        return self

    def __exit__(self, *error: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let all of them compute during a block."""
        self._send(signal.SIGCONT)
        try:
            yield
        finally:
            self._send(signal.SIGSTOP)

    def _send(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.send_signal(number)
