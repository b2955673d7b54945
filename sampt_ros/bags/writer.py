"""ROS 2 bags written without ROS: what `ros2 bag` and Foxglove open."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Writer

from sampt_ros.bags import types as bag_types
from sampt_ros.errors import SourceError

_ENDING = (signal.SIGINT, signal.SIGTERM)
_UNSIGNED = "mcap"  # the format whose times have no sign
_FOREVER = QosTime(9223372036, 854775807)
# As the node publishes, so that `ros2 bag play` does.
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
    """A new bag with these topics, (name, type); a folder, as `ros2 bag record` leaves it.

    Ctrl-C and SIGTERM wait until a message is written, so that after `close` it is a whole bag whatever ended it.
    Raises SourceError where it cannot be written.
    """

    def __init__(self, path: Path, storage: str, topics: dict[str, str]) -> None:
        # Version 9 names the quality of service in words that Humble's `ros2 bag` does not read.
        self._writer = _Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
        self._path = path
        self._storage = storage
        with self._told():
            self._writer.open()
            self._connections = {
                name: self._writer.add_connection(
                    name, kind, typestore=bag_types.types(), offered_qos_profiles=[_RELIABLE]
                )
                for name, kind in topics.items()
            }

    def add(self, recorded_ns: int, messages: dict[str, Any]) -> None:
        """Write messages by topic, all recorded at this time."""
        types = bag_types.types()
        if recorded_ns < 0 and self._storage == _UNSIGNED:
            raise SourceError(
                f"cannot write {self._path}: MCAP holds no time before 1970, such as {recorded_ns / 1e9:g} s; "
                "--storage sqlite3 does"
            )
        with self._told():
            for name, message in messages.items():
                connection = self._connections[name]
                self._writer.write(connection, recorded_ns, types.serialize_cdr(message, connection.msgtype))

    def close(self) -> None:
        """Write the index and metadata.yaml; without this the bag has neither."""
        with self._told():
            self._writer.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with _uninterrupted():
                yield
        except (OSError, WriterError, sqlite3.Error) as error:
            raise SourceError(f"cannot write {self._path}: {getattr(error, 'strerror', None) or error}") from None


class _SqliteWriter(Sqlite3Writer):
    """rosbags' own, but for the file's name: it takes #, ? and % for parts of an address, and writes elsewhere."""

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        self.path = path / f"{path.name}.db3"
        self.conn = sqlite3.connect(self.path)
        self.conn.executescript(self.SQLITE_SCHEMA)
        self.cursor = self.conn.cursor()


class _Writer(Writer):
    STORAGE_PLUGINS = {**Writer.STORAGE_PLUGINS, StoragePlugin.SQLITE3: _SqliteWriter}  # noqa: RUF012 - as there


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until this is done: half a message would make the rest unreadable."""
    if threading.current_thread() is not threading.main_thread():  # which alone is interrupted
        yield
        return
    held: list[int] = []
    before = {ending: signal.signal(ending, lambda number, _: held.append(number)) for ending in _ENDING}
    try:
        yield
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)
        for number in held[:1]:
            signal.raise_signal(number)
