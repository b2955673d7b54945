"""Writes files wholly or not at all, and says what could not be written where that fails."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sampt_ros.errors import SourceError

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What cannot be written inside is a SourceError that names this file."""
    with _named(str(path)):
        yield


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """What cannot be written inside is a SourceError that names this folder."""
    with _named(f"to {folder}"):
        yield


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, or none if the disk is full: half a file would be taken for a broken one. Raises OSError.

    A file that may not be opened stays as it was.
    """
    with path.open("wb") as file:
        try:
            file.write(data)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def require_writable(path: Path) -> None:
    """Raise SourceError if a file cannot be written, before the work whose results go there; creates its folder.

    A file that is there stays as it is.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (path.is_file() or path.is_dir()):
            return  # A reader of a pipe would take its closing for the end.
        existed = path.exists()
        path.open("ab").close()
        if not existed:
            path.resolve().unlink()  # Not a link to it.


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM during a block, which should be short, so that nothing is left half-written.

    The first one that came takes effect after the block, or after the outermost of several. It is a decorator, too.
    Handlers that were installed without Python, such as rclpy's, are replaced by Python's: use it in another thread
    than the main one there.
    """
    if threading.current_thread() is not threading.main_thread():  # Signals interrupt the main thread only.
        yield
        return
    held: list[int] = []
    # One that is not Python's could not be put back; what is ignored need not be held back.
    handlers = {ending: signal.getsignal(ending) for ending in _ENDING}
    before = {ending: handler for ending, handler in handlers.items() if handler not in (None, signal.SIG_IGN)}
    try:
        for ending in before:
            signal.signal(ending, lambda number, _: held.append(number))
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
        for number in held[:1]:
            signal.raise_signal(number)


@contextmanager
def _named(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"cannot write {target}: {error.strerror}") from None
