"""ROS 2 bags read without ROS: MCAP or SQLite3, whole or damaged."""

from __future__ import annotations

import logging
import sqlite3
import struct
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol
from urllib.parse import quote

import apsw
import zstandard
from mcap.exceptions import McapError
from mcap.records import Channel, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader
from rosbags.rosbag2 import Reader, ReaderError

from sampt_ros.errors import SourceError
from sampt_ros.io.video import natural_key

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_log = logging.getLogger(__name__)

_SUFFIXES = {".mcap": "mcap", ".db3": "sqlite3"}  # of the files, and the storage that they are
_FORM = "a folder with .mcap or .db3 files, or one such file"

# What the libraries raise where a bag is damaged; they check little of what they read.
_DAMAGE = (
    McapError,
    ReaderError,
    apsw.Error,
    sqlite3.Error,
    struct.error,
    zstandard.ZstdError,
    zstd.ZstdError,
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
        return replace(self, count=None if self.count is None or other.count is None else self.count + other.count)

    def __str__(self) -> str:
        return f"{self.name} ({self.type}{'' if self.count is None else f', {self.count} messages'})"


class BagReader:
    """The messages of a ROS 2 bag: a folder, as `ros2 bag record` leaves it, or one of its files.

        with BagReader(path) as bag:
            for topic, recorded_ns, data in bag.messages(["/camera/image_raw"]):
                ...

    topics   by name
    storage  mcap or sqlite3

    A bag without its end (the recording was killed, the disk full) is read up to the damage, with a warning. Raises
    SourceError where there is no bag.
    """

    def __init__(self, path: Path) -> None:
        files = _storage_files(path)
        self.storage = next(_SUFFIXES[suffix] for suffix in files[0].suffixes if suffix in _SUFFIXES)
        self._stack = ExitStack()
        self._parts = _open(path, files)
        for part in self._parts:
            self._stack.callback(part.close)
        self.topics: dict[str, Topic] = {}
        for topic in (topic for part in self._parts for topic in part.topics):
            self.topics[topic.name] = topic + self.topics.get(topic.name)

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        """The messages of these topics as they were recorded, up to where the bag is damaged."""
        for part in self._parts:
            try:
                yield from part.messages(names)
            except _DAMAGE as error:
                _log.warning("%s", _damaged(part.path, error))


class _Part(Protocol):
    """A bag, or one file of it."""

    path: Path
    topics: list[Topic]

    def messages(self, names: Collection[str]) -> Iterator[Entry]: ...

    def close(self) -> None: ...


class _Indexed:
    """A bag, or a file of it, that is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reader = Reader(path)
        self._reader.open()
        topics = self._reader.topics.items()
        self.topics = [Topic(name, found.msgtype or "of several types", found.msgcount) for name, found in topics]

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        wanted = [connection for connection in self._reader.connections if connection.topic in names]
        if wanted:  # rosbags takes none for all
            for connection, recorded, data in self._reader.messages(wanted):
                yield connection.topic, recorded, data

    def close(self) -> None:
        self._reader.close()


class _DamagedMcap:
    """An MCAP file without its index, or with a broken one: its records, one after the other."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found: dict[str, Topic] = {}
        with suppress(*_DAMAGE):
            for topic, _ in self._records():
                found[topic.name] = topic
        self.topics = list(found.values())

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        for topic, record in self._records():
            if isinstance(record, Message) and topic.name in names:
                yield topic.name, record.log_time, record.data

    def close(self) -> None: ...

    def _records(self) -> Iterator[tuple[Topic, McapRecord]]:
        """The channels and messages, each with its topic."""
        schemas: dict[int, str] = {}
        topics: dict[int, Topic] = {}
        with self.path.open("rb") as file:
            # A length that is damaged must not be believed.
            reader = StreamReader(file, validate_crcs=True, record_size_limit=self.path.stat().st_size)
            for record in reader.records:
                if isinstance(record, Schema):
                    schemas[record.id] = record.name
                elif isinstance(record, Channel):
                    topics[record.id] = Topic(record.topic, schemas.get(record.schema_id, "unknown"), None)
                    yield topics[record.id], record
                elif isinstance(record, Message):
                    yield topics[record.channel_id], record


class _DamagedSqlite3:
    """A SQLite3 file that is cut off: its rows, as they were written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
        # Without this SQLite refuses a file that is shorter than its header says.
        self._connection.execute("PRAGMA writable_schema=ON")
        self._names: dict[int, str] = {}
        self.topics = []
        with suppress(sqlite3.Error):
            for number, name, kind in self._connection.execute("SELECT id, name, type FROM topics"):
                self._names[number] = name
                self.topics.append(Topic(name, kind, None))

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        # By id, not by time: the index by time may lie behind the cut.
        for number, recorded, data in self._connection.execute(
            "SELECT topic_id, timestamp, data FROM messages ORDER BY id"
        ):
            if self._names.get(number) in names:
                yield self._names[number], recorded, data

    def close(self) -> None:
        self._connection.close()


def _storage_files(path: Path) -> list[Path]:
    """The files that a bag's messages are in."""
    if not path.exists():
        raise SourceError(f"expected a ROS 2 bag, {_FORM}; there is no {str(path)!r}")
    files = sorted(path.iterdir(), key=natural_key) if path.is_dir() else [path]
    found = [file for file in files if not _SUFFIXES.keys().isdisjoint(file.suffixes)]
    if not found:
        raise SourceError(f"expected a ROS 2 bag, {_FORM}; got {str(path)!r}")
    return found


def _open(path: Path, files: list[Path]) -> list[_Part]:
    """A whole bag as one part, any other by its files."""
    if path.is_dir():
        with suppress(*_DAMAGE):
            return [_Indexed(path)]
    return [_open_file(file) for file in files]


def _open_file(file: Path) -> _Part:
    try:
        return _Indexed(file)
    except _DAMAGE as error:
        _log.warning("%s", _damaged(file, error))
    return _DamagedMcap(file) if file.suffix == ".mcap" else _DamagedSqlite3(file)


def _damaged(path: Path, error: BaseException) -> str:
    reason = str(error).rstrip(".") or type(error).__name__
    return f"{path} is damaged: it is read up to there ({reason})"
