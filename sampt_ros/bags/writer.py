"""Writes ROS 2 bags without ROS, in a form that `ros2 bag` and Foxglove open."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer

from sampt_ros.bags import types as bag_types
from sampt_ros.errors import SourceError
from sampt_ros.io.writing import uninterrupted

_COMMIT_EVERY = 1.0  # seconds; messages are in memory before that, and storing them costs some milliseconds
_UNSIGNED = "mcap"  # the format that cannot store negative times
_FOREVER = QosTime(9223372036, 854775807)
# The QoS of the node's publishers, which `ros2 bag play` then uses.
_RELIABLE = Qos(
    QosHistory.KEEP_LAST,
    5,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    _FOREVER,
    _FOREVER,
    QosLiveliness.AUTOMATIC,
    _FOREVER,
    False,
)


class BagWriter:
    """Writes a new bag, a folder as `ros2 bag record` creates it.

    Ctrl-C and SIGTERM are held back while a message is written, so that after `close` the bag is complete, however the
    run ended. Raises SourceError if it cannot be written; what was stored before that stays.

    stored  number of `add`s whose messages are in the file for certain: those up to the last second, after `close` all
    """

    def __init__(self, path: Path, storage: str, topics: dict[str, str]) -> None:
        """storage: mcap or sqlite3; topics: type by name."""
        # Version 9 stores the quality of service in words, which Humble's `ros2 bag` does not read.
        self._writer = _Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
        self._path = path
        self._storage = storage
        self.stored = self._added = 0
        self._failure = ""
        self._commit_at = time.monotonic() + _COMMIT_EVERY
        with self._as_source_errors():
            self._writer.open()
            self._connections = {
                name: self._writer.add_connection(
                    name, kind, typestore=bag_types.types(), offered_qos_profiles=[_RELIABLE]
                )
                for name, kind in topics.items()
            }
            self._writer.commit()

    def add(self, recorded_ns: int, messages: dict[str, Any]) -> None:
        """Write messages, by topic, all with the same recording time."""
        types = bag_types.types()
        if self._failure:  # Else there would be a gap before these messages.
            raise SourceError(self._failure)
        if recorded_ns < 0 and self._storage == _UNSIGNED:
            raise SourceError(
                f"cannot write {self._path}: MCAP holds no time before 1970, such as {recorded_ns / 1e9:g} s; "
                "--storage sqlite3 does"
            )
        with self._as_source_errors():
            for name, message in messages.items():
                connection = self._connections[name]
                self._writer.write(connection, recorded_ns, types.serialize_cdr(message, connection.msgtype))
            self._added += 1
            if time.monotonic() >= self._commit_at:
                self._writer.commit()
                self.stored, self._commit_at = self._added, time.monotonic() + _COMMIT_EVERY

    def close(self) -> None:
        """Write the index and metadata.yaml, which complete the bag."""
        with self._as_source_errors():
            self._writer.close()
            if not self._failure:
                self.stored = self._added

    @contextmanager
    def _as_source_errors(self) -> Iterator[None]:
        try:
            with uninterrupted():
                yield
        except (OSError, WriterError, sqlite3.Error) as error:
            self._failure = f"cannot write {self._path}: {getattr(error, 'strerror', None) or error}"
            self._writer.roll_back()
            raise SourceError(self._failure) from None


class _SqliteWriter(Sqlite3Writer):
    """The writer of rosbags, with one fix: it treats #, ? and % in the file's name as parts of a URI."""

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        self.path = path / f"{path.name}.db3"
        self.conn = sqlite3.connect(self.path)
        self.conn.executescript(self.SQLITE_SCHEMA)
        self.cursor = self.conn.cursor()


class _Writer(Writer):
    STORAGE_PLUGINS = {**Writer.STORAGE_PLUGINS, StoragePlugin.SQLITE3: _SqliteWriter}  # noqa: RUF012 - as there
    _committed: tuple[dict[int, int], int, int] | None = None  # what metadata.yaml says of the messages up to then

    def commit(self) -> None:
        """Store what was written so far in the file."""
        if isinstance(self.storage, _SqliteWriter):
            self.storage.conn.commit()
        elif isinstance(self.storage, McapWriter):
            if self.storage.chunk.bio.tell():
                self.storage.close_chunk()
            self.storage.bio.flush()
        self._committed = dict(self.counts), self.min_timestamp, self.max_timestamp

    def roll_back(self) -> None:
        """After an error: forget what was written since the last commit, as SQLite itself does."""
        if self._committed is None:
            return
        if isinstance(self.storage, _SqliteWriter):
            with suppress(sqlite3.Error):
                self.storage.conn.rollback()
        self.counts, self.min_timestamp, self.max_timestamp = self._committed
