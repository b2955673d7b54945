"""What the files of a bag have in common, whatever their format."""

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

# What the libraries raise where a bag is damaged; they check little of what they read.
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

Entry = tuple[str, int, bytes]  # topic, when it was recorded (ns), the serialized message

_OLD_TYPE_NAME = re.compile(r"(\w+)/(\w+)")


@dataclass(frozen=True)
class Topic:
    """A topic of a bag with `count` messages, None where a damaged bag does not tell."""

    name: str
    type: str
    count: int | None

    def __add__(self, other: Topic | None) -> Topic:
        """The same topic in this file of a bag and in another."""
        if other is None:
            return self
        kind = self.type if self.type == other.type else "of several types"
        count = None if self.count is None or other.count is None else self.count + other.count
        return replace(self, type=kind, count=count)

    def __str__(self) -> str:
        return f"{self.name} ({self.type}{'' if self.count is None else f', {self.count} messages'})"


class StorageFile(Protocol):
    """One file of a bag, open."""

    topics: list[Topic]

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        """The messages of these topics by time; what is damaged is told and left out."""

    def close(self) -> None: ...


def type_name(recorded: str, serialization: str = "cdr") -> str:
    """The type as ROS 2 names it today: sensor_msgs/Image, as in 2018, is sensor_msgs/msg/Image.

    A topic that is not serialized as ROS 2 does (CDR) gets a name that no type has, which says so.
    """
    if serialization not in ("cdr", ""):
        return f"{recorded} serialized as {serialization}"
    old = _OLD_TYPE_NAME.fullmatch(recorded)
    return f"{old[1]}/msg/{old[2]}" if old else recorded


def damaged(path: Path, error: BaseException | str) -> str:
    """What is told of a file that ends too early, or of a part of it that cannot be read."""
    reason = str(error).rstrip(".") or type(error).__name__
    return f"{path} is damaged ({reason}): the rest of it is read"
