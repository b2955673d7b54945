"""ROS 2 bags read without ROS: MCAP or SQLite3, compressed or not, whole or damaged."""

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

from sampt_ros.bags.files import MCAP, ZSTD, ZSTD_MAGIC, find_files, kind, unpack
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

    topics   by name; counts are what the bag says that it holds
    storage  mcap or sqlite3, of the first file

    Compressed files are decompressed into a temporary folder. A bag whose recorder was killed, or which is damaged, is
    read as far as it can be: what is damaged, which file is missing, and how many messages are not there is told as a
    warning, each once. Nothing in the bag's folder is changed. Raises SourceError where there is no bag.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._told: set[str] = set()
        self._stack = ExitStack()
        self._files: list[tuple[Path, StorageFile]] = []
        self.topics: dict[str, Topic] = {}
        try:
            found = find_files(path, self._tell)
            kinds = [self._open(file, only=len(found.files) == 1) for file in found.files]
        except BaseException:
            self._stack.close()
            raise
        self.storage = next(filter(None, kinds), MCAP)
        for topic in found.metadata.topics if found.metadata else []:
            self._expect(topic)
        self.topics = dict(sorted(self.topics.items()))

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        """The messages of these topics, file after file, by the time when they were recorded."""
        read: Counter[str] = Counter()
        for path, file in self._files:
            try:
                for name, recorded, data in file.messages(names):
                    try:
                        message = _decompressed(data)
                    except zstandard.ZstdError as error:
                        self._tell(damaged(path, error))
                        continue
                    read[name] += 1
                    yield name, recorded, message
            except DAMAGE as error:
                self._tell(damaged(path, error))
        for topic in (self.topics[name] for name in names if name in self.topics):
            lost = (topic.count or 0) - read[topic.name]
            if lost > 0:
                self._tell(f"{self._path}: {lost} of {topic.count} messages on {topic.name} are missing or damaged")

    def _open(self, path: Path, only: bool) -> str:
        """Add a file to what is read; returns MCAP or SQLITE, or nothing for one of several that is neither."""
        unpacked, what = path, kind(path)
        if what == ZSTD:
            folder = self._stack.enter_context(TemporaryDirectory(prefix="sampt_"))
            unpacked = unpack(path, Path(folder), self._tell)
            try:
                what = kind(unpacked)
            except SourceError as error:
                reason = str(error).replace(str(unpacked), "what is in it")
                if not unpacked.stat().st_size:
                    reason = "it is empty, or cut off or damaged before its first part can be decompressed"
                if only:
                    raise SourceError(f"cannot read {path}: {reason}") from None
                self._tell(f"{path.name} is not read: {reason}")
                return ""

        def tell(text: str) -> None:
            self._tell(text.replace(str(unpacked), str(path)))

        try:
            file: StorageFile = McapFile(unpacked, tell) if what == MCAP else SqliteFile(unpacked, tell)
        except DAMAGE as error:
            self._tell(damaged(path, error))
            return what
        self._stack.callback(file.close)
        self._files.append((path, file))
        for topic in file.topics:
            self.topics[topic.name] = topic + self.topics.get(topic.name)
        return what

    def _expect(self, topic: Topic) -> None:
        """Count on what the metadata say where it is more than what the files say."""
        found = self.topics.get(topic.name, topic)
        self.topics[topic.name] = replace(found, count=max(found.count or 0, topic.count or 0))

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            _log.warning("%s", text)


def _decompressed(data: bytes) -> bytes:
    """A message as it was before the recorder compressed it, if it did."""
    if not data.startswith(ZSTD_MAGIC):  # as no serialized message does
        return data
    return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(data)
