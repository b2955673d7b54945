"""Finds, fetches and writes files at addresses such as s3://bucket/cups.mp4, with fsspec."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from sampt_ros.errors import SamPtError, SourceError

_UNFINISHED = "unfinished"  # Name of a file that is in a folder while files are being sent to it.


def is_remote(source: str) -> bool:
    """Whether a source is an address, not a path."""
    return "://" in source


def matches(address: str) -> list[tuple[str, str]]:
    """Name and address of every file and folder that an address with or without *, ?, [...] matches, sorted.

    For a pattern, the name is the part of the path from the pattern's first wildcard on. Raises SourceError if nothing
    matches.
    """
    files, path = _opened(address)
    if not glob.has_magic(address):
        with _told("look up", address):
            if not files.exists(path):
                raise SourceError(f"expected a recording; there is none at {address}")
        return [(PurePosixPath(path).name, address)]
    parts = PurePosixPath(path).parts
    depth = next(k for k, part in enumerate(parts) if glob.has_magic(part))
    with _told("look up", address):
        found = sorted(files.glob(path))
    if not found:
        raise SourceError(f"expected recordings whose names match {address}; got none")
    return [("/".join(PurePosixPath(each).parts[depth:]), files.unstrip_protocol(each)) for each in found]


def holds(address: str, fits: Callable[[str], bool]) -> bool:
    """Whether `fits` holds for the name of the file at an address or, if it is a folder, of a file in it."""
    files, path = _opened(address)
    with _told("look up", address):
        paths = files.ls(path, detail=False) if files.isdir(path) else [path]
    return any(fits(PurePosixPath(each).name) for each in paths)


def fetch(address: str, folder: Path) -> Path:
    """Copy a file or folder into a local folder and return its path there; raises SourceError if that fails."""
    files, path = _opened(address)
    target = folder / PurePosixPath(path).name
    with _told("fetch", address):
        folder.mkdir(parents=True, exist_ok=True)
        files.get(path, str(target), recursive=files.isdir(path))
    return target


def contents(address: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of the file at an address, "" for its name, or of each visible file in the folder there.

    They are in the order of their names; there are none if nothing is there. Raises SourceError if one cannot be read.
    """
    files, path = _opened(address)
    with _told("read", address):
        found = sorted(files.find(path))
    for each in found:
        name = "" if each == path else PurePosixPath(each).relative_to(path).as_posix()
        if not any(part.startswith(".") for part in name.split("/")):
            with _told("read", address):
                content = files.cat_file(each)
            yield name, content


def send(folder: Path, address: str, last: str) -> None:
    """Copy the files of a folder to an address; the file called `last` comes after all others.

    What an unfinished earlier attempt left there is deleted first; such an attempt is recognized by a file that exists
    only while files are being sent. Raises SourceError if there are other files, or if the address is not writable.
    """
    files, path = _opened(address)
    unfinished = f"{path}/{_UNFINISHED}"
    with _told("write to", address):
        if files.exists(unfinished):
            files.rm(path, recursive=True)
        elif files.exists(path) and files.ls(path):
            raise SourceError(f"expected no files at {address} that are not results; there are some")
        files.makedirs(path, exist_ok=True)
        files.pipe_file(unfinished, b"")
        local = sorted((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.name == last)
        for file in local:
            target = f"{path}/{file.relative_to(folder).as_posix()}"
            files.makedirs(str(PurePosixPath(target).parent), exist_ok=True)
            files.put_file(str(file), target)
        files.rm_file(unfinished)


def read_text(address: str) -> str | None:
    """The text of a file; None if there is no such file. Raises SourceError if it cannot be read."""
    files, path = _opened(address)
    with _told("read", address):
        try:
            content: str = files.cat_file(path).decode()
        except FileNotFoundError:
            return None
    return content


def write_text(address: str, text: str) -> None:
    """Write a file; raises SourceError if that fails."""
    files, path = _opened(address)
    with _told("write to", address):
        files.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
        files.pipe_file(path, text.encode())


def exists(address: str) -> bool:
    """Whether there is a file or folder at an address; raises SourceError if it cannot be looked up."""
    files, path = _opened(address)
    with _told("look up", address):
        return bool(files.exists(path))


def names(address: str) -> list[str]:
    """The paths of all files in a folder, relative to it, sorted; none without such a folder. Raises SourceError."""
    files, path = _opened(address)
    with _told("look up", address):
        return sorted(PurePosixPath(each).relative_to(path).as_posix() for each in files.find(path))


def move(address: str, target: str, last: str) -> None:
    """Move a folder to another address, replacing what is there; both are of one file system.

    The file called `last` is the last to appear at the target, and after that the first to be deleted, so that there is
    always one whole folder that has it. Raises SourceError if that fails.
    """
    files, path = _opened(address)
    _, new = _opened(target)
    remove(target, first=last)
    with _told("write to", target):
        for name in sorted(names(address), key=lambda name: name == last):
            files.makedirs(str(PurePosixPath(f"{new}/{name}").parent), exist_ok=True)
            _copy(files, f"{path}/{name}", f"{new}/{name}")
    remove(address, first=last)


def _copy(files: Any, path: str, target: str) -> None:
    """Copy a file within a file system."""
    try:
        files.cp_file(path, target)
    except NotImplementedError:  # Such as sftp and ftp, where what is copied has to come here.
        with TemporaryDirectory(prefix="sampt-") as folder:
            files.get_file(path, f"{folder}/file")
            files.put_file(f"{folder}/file", target)


def remove(address: str, first: str = "") -> None:
    """Delete a folder, if there is one, the file called `first` before all others; raises SourceError if that fails."""
    files, path = _opened(address)
    with _told("delete", address):
        if first and files.exists(f"{path}/{first}"):
            files.rm_file(f"{path}/{first}")
        if files.exists(path):
            files.rm(path, recursive=True)


@contextmanager
def _told(what: str, address: str) -> Iterator[None]:
    """Turn any error inside into a SourceError, because each kind of file system has its own errors."""
    try:
        yield
    except SamPtError:
        raise
    except Exception as error:
        raise SourceError(f"cannot {what} {address}: {str(error) or type(error).__name__}") from None


def _opened(address: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it; raises SamPtError if a package for it is missing."""
    try:
        import fsspec
    except ImportError:
        raise SamPtError(f"expected fsspec, which opens {address}: pip install fsspec") from None
    try:
        files, path = fsspec.core.url_to_fs(address)
    except (ImportError, ValueError) as error:  # The package that knows this kind of address is missing.
        raise SamPtError(f"cannot open {address}: {error}") from None
    return files, path
