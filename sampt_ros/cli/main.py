"""The `sampt` command: runs the tracker on files and cameras, without ROS."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO

from sampt_ros.cli import bag, batch, benchmark, doctor, evaluate, models, track, web
from sampt_ros.errors import SamPtError
from sampt_ros.utils.allocator import use_one_arena
from sampt_ros.utils.cpu_threads import do_not_spin

_ERROR, _INTERRUPTED, _TERMINATED = 2, 130, 143  # exit statuses


class _Terminated(KeyboardInterrupt):
    """Raised on SIGTERM, so that it ends a command as cleanly as Ctrl-C."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `sampt` with these arguments (default: the command line's) and return its exit status."""
    if arguments is None:  # This process runs nothing else.
        use_one_arena()
        do_not_spin()
        if sys.stdout is not None:  # It is None where the process was started with it closed.
            if isinstance(sys.stdout, TextIOWrapper):  # As standard error does: \xe9 where é cannot be encoded.
                sys.stdout.reconfigure(errors="backslashreplace")
            sys.stdout = _Output(sys.stdout)
    parsed = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s")
    if parsed.verbose:
        logging.getLogger("sampt_ros").setLevel(logging.DEBUG)
    try:
        with _terminable():
            status: int = parsed.run(parsed)
            print(end="", flush=True)
            return status
    except SamPtError as error:
        print(f"sampt: error: {' '.join(str(error).split())}", file=sys.stderr)
        return _ERROR
    except OSError as error:  # a full disk, a folder without permission
        logging.getLogger("sampt_ros").debug("", exc_info=True)
        print(f"sampt: error: {error}", file=sys.stderr)
        return _ERROR
    except ImportError as error:  # of a package that only some presets need
        print(f"sampt: error: {error}; `sampt doctor` says what to install", file=sys.stderr)
        return _ERROR
    except KeyboardInterrupt as error:
        terminated = isinstance(error, _Terminated)
        print(f"sampt: {'terminated' if terminated else 'interrupted'}", file=sys.stderr)
        return _TERMINATED if terminated else _INTERRUPTED


class _Output:
    """Standard output. After its reader has gone (`| head`), text is dropped, so that a command completes its files."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._drop()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._drop()

    def _drop(self) -> None:
        """Let what is buffered, and what follows, go nowhere; Python would else complain when it ends."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM raise _Terminated in a block, if this is the main thread, which alone receives signals."""

    def end(*_: object) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sampt", description="Point at an object, get its mask in every frame of a video. No ROS needed."
    )
    parser.add_argument("--verbose", action="store_true", help="log more details, and tracebacks of errors")
    commands = parser.add_subparsers(title="commands", dest="command", required=True)
    for command in (track, web, bag, batch, evaluate, benchmark, models, doctor):
        command.add(commands)
    return parser
