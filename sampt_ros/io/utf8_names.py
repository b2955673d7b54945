"""Names of files for libraries that take none but UTF-8: OpenCV crashes where a name is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sampt_ros.errors import SourceError


@contextmanager
def utf8_name(path: Path) -> Iterator[str]:
    """An absolute name of a file, which need not exist, in UTF-8: its own, or that of a link to it during the block.

    Raises SourceError if no link can be made.
    """
    # In a relative path FFmpeg takes all before a colon, as of a time, for a protocol.
    absolute = path.absolute()
    if (name := _utf8(absolute)) is not None:
        yield name
        return
    with TemporaryDirectory(prefix="sampt-") as folder:
        try:
            name = _link(absolute, Path(folder))
        except OSError as error:
            raise SourceError(f"expected a name in UTF-8; that of {path} is not: {error.strerror or error}") from None
        yield name


def _link(path: Path, folder: Path) -> str:
    # FFmpeg chooses the format of a new file by the suffix.
    link = folder / ("link" if _utf8(Path(path.suffix)) is None else f"link{path.suffix}")
    link.symlink_to(path)
    if (name := _utf8(link)) is None:
        raise OSError(f"neither is that of {folder}, where temporary files go")
    return name


def _utf8(path: Path) -> str | None:
    """A path as text that can be encoded as UTF-8 into the bytes of its name; None if there is no such text."""
    try:
        return os.fsencode(path).decode()  # Differs from str(path) where the locale is not UTF-8.
    except UnicodeDecodeError:
        return None
