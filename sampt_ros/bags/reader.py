"""Reads ROS 2 bags without ROS: MCAP or SQLite3, compressed or not, intact or damaged."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

import zstandard

from sampt_ros.bags.files import MCAP, ZSTD, ZSTD_MAGIC, find_files, storage_format, unpack
from sampt_ros.bags.mcap_file import McapFile
from sampt_ros.bags.sqlite_file import SqliteFile
from sampt_ros.bags.storage import DAMAGE, Entry, StorageFile, Topic, damaged
from sampt_ros.errors import SourceError

__all__ = ["BagReader", "Entry", "Topic"]

_log = logging.getLogger(__name__)


class BagReader:
    """The messages of a ROS 2 bag: a folder, as `ros2 bag record` leaves it, or one of its files.

        with BagReader(path) as bag:
            for topic, recorded_ns, data in bag.messages(["/camera/image_raw"]):
                ...

    topics   topics by name, with the message counts that the bag states
    storage  format of the first file: mcap or sqlite3

    Compressed files are decompressed into a temporary folder. A bag that is damaged, or whose recorder was killed, is
    read as far as possible: damaged parts, missing files and the number of missing messages are logged as warnings,
    each once. Nothing in the bag's folder is changed. Raises SourceError if there is no bag.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._warned: set[str] = set()
        self._stack = ExitStack()
        self._files: list[tuple[Path, StorageFile]] = []
        self.topics: dict[str, Topic] = {}
        try:
            found = find_files(path, self._warn)
            formats = [self._open(file, only=len(found.files) == 1) for file in found.files]
        except BaseException:
            self._stack.close()
            raise
        self.storage = next(filter(None, formats), MCAP)
        for topic in found.metadata.topics if found.metadata else []:
            self._add_expected(topic)
        self.topics = dict(sorted(self.topics.items()))

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def last_ns(self) -> int | None:
        """The latest recording time of all messages (ns), 0 if there are none; None if damage prevents finding it."""
        times = [file.last_ns for _, file in self._files]
        known = [time for time in times if time is not None]
        return max(known, default=0) if len(known) == len(times) else None

    def messages(self, names: Collection[str], clock: str = "") -> Iterator[Entry]:
        """The messages of these topics, file by file, in the order of their recording times.

        clock: the topic by whose times a clock that was set back is told, such as the images'; any if empty
        """
        read: Counter[str] = Counter()
        for path, file in self._files:
            try:
                for name, recorded, data in file.messages(names, clock):
                    try:
                        message = _decompressed(data)
                    except zstandard.ZstdError as error:
                        self._warn(damaged(path, error))
                        continue
                    read[name] += 1
                    yield name, recorded, message
            except DAMAGE as error:
                self._warn(damaged(path, error))
        for topic in (self.topics[name] for name in names if name in self.topics):
            lost = (topic.count or 0) - read[topic.name]
            if lost > 0:
                self._warn(f"{self._path}: {lost} of {topic.count} messages on {topic.name} are missing or damaged")

    def _open(self, path: Path, only: bool) -> str:
        """Open a file for reading; returns its format, MCAP or SQLITE, or "" if it is one of several and neither."""
        unpacked, form = path, storage_format(path)
        if form == ZSTD:
            folder = self._stack.enter_context(TemporaryDirectory(prefix="sampt_"))
            unpacked = unpack(path, Path(folder), self._warn)
            try:
                form = storage_format(unpacked)
            except SourceError as error:
                reason = str(error).replace(str(unpacked), "what is in it")
                if not unpacked.stat().st_size:
                    reason = "it is empty, or cut off or damaged before its first part can be decompressed"
                if only:
                    raise SourceError(f"cannot read {path}: {reason}") from None
                self._warn(f"{path.name} is not read: {reason}")
                return ""

        def warn(text: str) -> None:
            self._warn(text.replace(str(unpacked), str(path)))

        try:
            file: StorageFile = McapFile(unpacked, warn) if form == MCAP else SqliteFile(unpacked, warn)
        except DAMAGE as error:
            self._warn(damaged(path, error))
            return form
        self._stack.callback(file.close)
        self._files.append((path, file))
        for topic in file.topics:
            self.topics[topic.name] = topic + self.topics.get(topic.name)
        return form

    def _add_expected(self, topic: Topic) -> None:
        """Add a topic of the metadata; its message count is used if it exceeds that of the files."""
        found = self.topics.get(topic.name, topic)
        self.topics[topic.name] = replace(found, count=max(found.count or 0, topic.count or 0))

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            _log.warning("%s", text)


def _decompressed(data: bytes) -> bytes:
    """A serialized message, decompressed if the recorder compressed it."""
    if not data.startswith(ZSTD_MAGIC):  # no serialized message starts with these bytes
        return data
    return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(data)
