"""Paths that hold in any process, whatever its working folder is."""

from __future__ import annotations

from pathlib import Path

from sampt_ros.fleet.remote_files import is_remote


def absolute(text: str | Path, folder: Path = Path()) -> str:
    """A path, relative to a folder, as an absolute one; an address stays as it is.

    Links are followed, but one to a file keeps its own name: the suffix says what kind of file it is, which the name of
    its target may not.
    """
    if is_remote(str(text)):
        return str(text)
    path = folder / text
    return str(path.resolve() if path.is_dir() else path.parent.resolve() / path.name)
