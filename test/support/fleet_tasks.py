"""Tasks for workers, in a module that workers can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from sampt_ros.errors import SourceError


def double(number: int) -> int:
    return 2 * number


def environment(name: str) -> tuple[int, str]:
    """The process that carries it out, and an environment variable of its."""
    time.sleep(0.3)  # so that every worker has something to do
    return os.getpid(), os.environ.get(name, "")


def fail(text: str) -> int:
    raise (SourceError if text == "expected" else KeyError)(text)


def die(path: Path | None) -> str:
    """Kill the process, but only the first time where there is a path."""
    if path is None or not path.exists():
        if path is not None:
            path.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def wait_long(path: Path) -> int:
    """Say that it has begun, in the file "begun", and that it was ended, by deleting it."""
    path.write_text(str(os.getpid()))
    try:
        time.sleep(60)
    finally:
        path.unlink()
    return 0


def wait_if_asked(path: Path | None) -> int:
    return wait_long(path) if path else 0
