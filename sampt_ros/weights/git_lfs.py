"""Files that a repository keeps elsewhere: without `git lfs pull` three lines of text are in their place."""

from __future__ import annotations

from pathlib import Path

POINTER = "a git-lfs pointer, not the file itself, which git lfs pull fetches"  # what to call it, for people

_BEGIN = b"version https://git-lfs"


def is_pointer(content: bytes) -> bool:
    """Whether the content of a file, or the first 32 bytes of it, is that of a pointer."""
    return content.startswith(_BEGIN)


def is_pointer_file(path: Path) -> bool:
    """Whether a file is a pointer; one that cannot be read is none, nor is a pipe, which is left unread."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return is_pointer(file.read(len(_BEGIN)))
    except OSError:
        return False
