"""Types and functions shared by all storage formats of bags."""

from __future__ import annotations

import re
import sqlite3
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import apsw
import zstandard
from mcap.exceptions import McapError

# What the libraries raise when they read a damaged bag; they validate little of what they read.
DAMAGE = (
    McapError,
    apsw.Error,
    sqlite3.Error,
    struct.error,
    zstandard.ZstdError,
    AssertionError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

Entry = tuple[str, int, bytes]  # topic, recording time in nanoseconds, serialized message

_OLD_TYPE_NAME = re.compile(r"(\w+)/(\w+)")


@dataclass(frozen=True)
class Topic:
    """A topic of a bag with `count` messages, or None if the bag is too damaged to tell."""

    name: str
    type: str
    count: int | None

    def __add__(self, other: Topic | None) -> Topic:
        """The same topic over two files of a bag, with the sum of their message counts."""
        if other is None:
            return self
        kind = self.type if self.type == other.type else "of several types"
        count = None if self.count is None or other.count is None else self.count + other.count
        return replace(self, type=kind, count=count)

    def __str__(self) -> str:
        return f"{self.name} ({self.type}{'' if self.count is None else f', {self.count} messages'})"


class StorageFile(Protocol):
    """An open storage file of a bag."""

    topics: list[Topic]
    last_ns: int | None  # latest recording time, 0 if there are no messages; None if the file is too damaged to tell

    def messages(self, names: Collection[str], clock: str = "") -> Iterator[Entry]:
        """The messages of these topics by time; damaged ones are skipped with a warning.

        clock: the topic whose times may tell, in a format that keeps the order of recording, that the clock was set
        back; what was recorded after that comes later. Any of these topics if empty.
        """

    def close(self) -> None: ...


def type_name(recorded: str, serialization: str = "cdr") -> str:
    """The type name in its present form: sensor_msgs/Image, as in bags of 2018, becomes sensor_msgs/msg/Image.

    For a topic that is not serialized as CDR, the name also says so, and thus matches no type.
    """
    if serialization not in ("cdr", ""):
        return f"{recorded} serialized as {serialization}"
    old = _OLD_TYPE_NAME.fullmatch(recorded)
    return f"{old[1]}/msg/{old[2]}" if old else recorded


def damaged(path: Path, error: BaseException | str) -> str:
    """The warning about a truncated file, or about a part of it that cannot be read."""
    reason = str(error).rstrip(".") or type(error).__name__
    return f"{path} is damaged ({reason}): the rest of it is read"
