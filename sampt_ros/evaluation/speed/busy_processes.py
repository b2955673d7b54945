"""Other programs of a robot, as far as a measurement feels them: processes that compute without end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# It ends when the process that started it is gone, however that ended.
_PROGRAM = "import os, sys\nwhile os.getppid() == int(sys.argv[1]):\n    sum(range(10_000))"


class BusyProcesses:
    """So many processes, each of which keeps a core busy while it is asked to. Needs the signals of Unix.

    with BusyProcesses(2) as others:
        ...                         # they rest
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
        """Inside, all of them compute."""
        self._send(signal.SIGCONT)
        try:
            yield
        finally:
            self._send(signal.SIGSTOP)

    def _send(self, number: signal.Signals) -> None:
        for process in self._processes:
            process.send_signal(number)
