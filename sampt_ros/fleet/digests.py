"""Digests of the files that options name, so that results of other content are not taken for these."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from sampt_ros.errors import SourceError
from sampt_ros.fleet import remote_files


def digest(source: str) -> str | None:
    """SHA-256 of a file, or of the files in a folder and their names; None if there are none.

    source: a path or an address. Hidden files do not count, such as those that a file browser leaves. Raises
    SourceError for what cannot be read.
    """
    contents = remote_files.contents(source) if remote_files.is_remote(source) else _contents(Path(source))
    return _digest_of(contents)


def _digest_of(contents: Iterable[tuple[str, bytes]]) -> str | None:
    found = hashlib.sha256()
    is_empty = True
    for name, content in contents:
        found.update(f"{name}\0{len(content)}\0".encode(errors="surrogateescape"))
        found.update(content)
        is_empty = False
    return None if is_empty else found.hexdigest()


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of a file, or of each visible file in a folder, in the order of their names."""
    try:
        if path.is_file():
            yield "", path.read_bytes()
            return
        for name, file in sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*")):
            if file.is_file() and not any(part.startswith(".") for part in name.split("/")):
                yield name, file.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {error.filename or path}: {error.strerror}") from None
