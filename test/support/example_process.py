"""Examples that use the node, each in a process of its own as people run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_harness import PATIENCE
from ros_helpers import ros_domain  # noqa: F401

_PRESSES = 5
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def start_example(tmp_path, ros_domain) -> Iterator[Callable[..., Callable[[], str]]]:  # noqa: F811
    """Starts an example in the test's ROS domain; what it returns reads what the example has printed so far."""
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str, modules: Path | None = None) -> Callable[[], str]:
        """modules: a folder with modules that it finds first."""
        log = tmp_path / f"{name}.log"
        path = os.pathsep.join(filter(None, [str(modules or ""), os.environ.get("PYTHONPATH", "")]))
        with log.open("w") as output:
            command = [sys.executable, "-u", EXAMPLES / f"{name}.py", *arguments]
            environment = {**os.environ, "PYTHONPATH": path}
            running.append(subprocess.Popen(command, stdout=output, stderr=output, env=environment))
        return log.read_text

    yield start
    for process in running:
        _interrupt(process)


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C until a process ends. Once, of many runs, an example went on after the first; why is not known."""
    for _ in range(_PRESSES):
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE / _PRESSES)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()
    pytest.fail(f"{process.args} did not end after {_PRESSES} signals")
