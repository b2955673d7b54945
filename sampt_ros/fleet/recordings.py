"""Finds the recordings that the arguments name: files, folders, bags, patterns, and lists of these."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sampt_ros.errors import SourceError
from sampt_ros.fleet import paths, remote_files
from sampt_ros.fleet.remote_files import is_remote
from sampt_ros.io.video import BAG_SUFFIX, FURTHER_SUFFIXES, IMAGE_SUFFIXES, is_bag, is_bag_name, natural_key

_BESIDE = re.compile(r"(.*)-(wal|shm|journal)")
_ANIMATED = (".apng", ".avif", ".gif")
_LIST_SUFFIX = ".txt"
_COMMENT = re.compile(r"(^|\s)#.*")  # The # of run#2.mp4 does not begin a comment.


@dataclass(frozen=True)
class Recording:
    """A video file, an image folder or a bag.

    name    name of its results: the file's name without the suffix. If a pattern found it, the folders from the
            pattern's first wildcard on are part of the name, such as "monday/cups"
    source  its absolute path, in which a link to a file has its own name, or its address
    is_bag  whether it is a ROS 2 bag
    """

    name: str
    source: str
    is_bag: bool


def find_recordings(sources: Sequence[str]) -> list[Recording]:
    """The recordings that sources name, in order.

    sources  each one is a video file, an image folder or a bag; a pattern of these with *, ?, [...] or **; an address
             that fsspec can open, such as s3://bucket/recordings/*.mp4; or a list. A list is a .txt file with a source
             in each line: # begins a comment at the start of a line or after a space, and paths are relative to the
             list's folder. Patterns find hidden files only if they contain the dot

    Raises SourceError for a source that does not exist, and for recordings that have the same name, or one of which
    would have its results inside another's.
    """
    found: dict[str, Recording] = {}
    for source in sources:
        for recording in _recordings(source, Path()):
            other = found.setdefault(recording.name, recording)
            if os.path.realpath(other.source) != os.path.realpath(recording.source):
                raise SourceError(
                    f"expected recordings of different names; got two that are called {recording.name!r}: "
                    f"{other.source} and {recording.source}; a pattern in quotes, such as 'recordings/*/cups.mp4', "
                    "keeps the folders in which they differ"
                )
    if not found:
        raise SourceError(f"expected at least one recording; got none in {', '.join(sources)}")
    for name, recording in found.items():
        path = PurePosixPath(name)
        if not path.parts or ".." in path.parts:
            raise SourceError(f"expected a recording with a name of its own; got {recording.source}, called {name!r}")
        if outer := next((parent for parent in map(str, path.parents) if parent in found), None):
            raise SourceError(f"expected recordings apart from one another; got {outer!r}, and in it {name!r}")
    return list(found.values())


def _recordings(source: str, folder: Path, lists: tuple[Path, ...] = ()) -> Iterator[Recording]:
    """The recordings of one source, whose path is relative to `folder`; lists: the lists that it was read from."""
    if is_remote(source):
        for name, address in remote_files.matches(source):
            yield Recording(_stem(name), address, remote_files.holds(address, is_bag_name))
        return
    path = folder / Path(source).expanduser()
    if path.suffix == _LIST_SUFFIX and path.is_file():
        if path in lists:
            raise SourceError(f"expected recordings in the list {path}; got the list itself")
        for entry in _entries(path):
            yield from _recordings(entry, path.parent, (*lists, path))
    elif path.exists():
        yield _recording(Path(os.path.abspath(path)).name, path)  # noqa: PTH100 - resolve() would follow a link
    elif glob.has_magic(source):
        yield from _matches(path)
    else:
        raise SourceError(
            f"expected a video file, image folder, bag, a pattern or list of them; there is no {source!r}"
        )


def _entries(path: Path) -> list[str]:
    """The sources in a list; raises SourceError if the file cannot be read as text."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise SourceError(f"cannot read the list {path}: {reason}") from None
    entries = (_COMMENT.sub("", line).strip() for line in lines)
    return [entry for entry in entries if entry]


def _matches(pattern: Path) -> Iterator[Recording]:
    """The recordings that a pattern matches, sorted; raises SourceError if there are none, or if it matches images."""
    depth = next(k for k, part in enumerate(pattern.parts) if glob.has_magic(part))
    base = Path(*pattern.parts[:depth])
    relative = Path(*pattern.parts[depth:])
    found = sorted(base.glob(str(relative)), key=lambda path: (path.parent, natural_key(path)))
    if not any(part.startswith(".") for part in relative.parts):
        found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(base).parts)]
    found = [path for path in found if not _is_beside_bag(path)]
    if not found:
        raise SourceError(f"expected recordings whose names match {str(pattern)!r}; got none")
    if images := [path for path in found if path.is_file() and _is_image(path)]:
        raise SourceError(f"expected recordings; {str(pattern)!r} finds images such as {images[0]}: name their folders")
    for path in found:
        yield _recording(str(path.relative_to(base)), path)


def _is_image(path: Path) -> bool:
    """Whether a file is a single image by its suffix; those that are often animated are recordings."""
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES + FURTHER_SUFFIXES and suffix not in _ANIMATED


def _recording(name: str, path: Path) -> Recording:
    return Recording(name if path.is_dir() else _stem(name), paths.absolute(path), is_bag(path))


def _is_beside_bag(path: Path) -> bool:
    """Whether SQLite keeps this file beside a bag that is open, such as run.db3-wal, which is read with the bag."""
    beside = _BESIDE.fullmatch(path.name)
    return beside is not None and path.with_name(beside[1]).exists()


def _stem(name: str) -> str:
    """A file's name without its suffix."""
    return BAG_SUFFIX.sub("", name) if BAG_SUFFIX.search(name) else str(Path(name).with_suffix(""))
