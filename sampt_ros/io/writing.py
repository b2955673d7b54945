"""Says what could not be written where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sampt_ros.errors import SourceError


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


@contextmanager
def _named(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(f"cannot write {target}: {error.strerror}") from None
