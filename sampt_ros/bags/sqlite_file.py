"""SQLite3 files of a bag, whole, cut off, or left with a write-ahead log by a recorder that was killed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import apsw

from sampt_ros.bags.storage import Entry, Topic, damaged, type_name

MAGIC = b"SQLite format 3\0"
LOG = "-wal"  # what is appended to a file's name for its write-ahead log

_LEAST_SIZE = 512  # bytes
_FORMAT = range(18, 20)  # the bytes of a file that say whether it has a write-ahead log
_WITH_LOG, _WITHOUT_LOG = b"\2\2", b"\1\1"


def log_of(path: Path) -> Path | None:
    """The write-ahead log beside a file; None where there is none, or an empty one."""
    log = path.with_name(path.name + LOG)
    return log if log.is_file() and log.stat().st_size > 0 else None


class SqliteFile:
    """The messages of a SQLite3 file, those in its write-ahead log among them. Neither is written to, nor locked.

    topics  with counts, unless what has to be counted is damaged

    `tell` is given what is damaged. A message that is damaged is left out; of a file that is cut off what is before the
    cut is read.
    """

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self._path, self._tell = path, tell
        real = path.resolve()  # SQLite looks for the log beside the file that a link leads to.
        if log_of(path) and not log_of(real):
            tell(f"{path}{LOG} is not read: {path.name} is a link, and its log is looked for beside {real}")
        self._connection = apsw.Connection(str(real), flags=apsw.SQLITE_OPEN_READONLY, vfs=_read_only())
        # The log is then read without the -shm file, which would have to be written to.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        # Without this SQLite refuses a file that is shorter than its header says.
        self._connection.execute("PRAGMA writable_schema=ON")
        self._topics: dict[int, Topic] = {}
        self._is_whole = True
        self._find_topics()
        self.topics = list(self._topics.values())

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        """The messages of these topics by time; by id where the index by time is damaged."""
        wanted = [number for number, topic in self._topics.items() if topic.name in names]
        query = (
            "SELECT topic_id, timestamp, data FROM messages "
            f"WHERE id = ? AND topic_id IN ({','.join('?' for _ in wanted)})"
        )
        unread = 0
        for number in self._ids():
            try:
                row = self._connection.execute(query, (number, *wanted)).fetchone()
            except apsw.Error as error:
                self._tell(damaged(self._path, error))
                unread += 1
                continue
            if row:
                topic, recorded, data = row
                if not isinstance(recorded, int) or not isinstance(data, bytes):
                    self._tell(damaged(self._path, f"a message's time and data are {recorded!r:.40} and {data!r:.40}"))
                    unread += 1
                    continue
                yield self._topics[topic].name, recorded, data
        if unread and not self._is_whole:  # of a whole file the counts tell how many are missing
            self._tell(f"{self._path}: {unread} messages cannot be read")

    def close(self) -> None:
        self._connection.close()

    def _find_topics(self) -> None:
        try:
            columns = {row[1] for row in self._connection.execute("PRAGMA table_info(topics)")}
            how = "serialization_format" if "serialization_format" in columns else "'cdr'"
            for number, name, kind, serialization in self._connection.execute(
                f"SELECT id, name, type, {how} FROM topics"
            ):
                if isinstance(name, str) and isinstance(kind, str):
                    self._topics[number] = Topic(name, type_name(kind, serialization or ""), None)
                else:
                    self._tell(damaged(self._path, f"a topic's name and type are {name!r:.40} and {kind!r:.40}"))
            counts: dict[Any, Any] = dict(
                self._connection.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id")
            )
        except apsw.Error as error:
            self._is_whole = False
            self._tell(damaged(self._path, error))
            return
        for number, topic in self._topics.items():
            self._topics[number] = Topic(topic.name, topic.type, counts.get(number, 0))

    def _ids(self) -> Iterator[int]:
        """Of all messages, by time; where the index by time is damaged, by number and up to the damage."""
        try:
            by_time = self._connection.execute("SELECT id FROM messages ORDER BY timestamp, id")
            return (number for (number,) in (by_time if self._is_whole else list(by_time)))
        except apsw.Error:
            return self._ids_up_to_damage()

    def _ids_up_to_damage(self) -> Iterator[int]:
        try:
            for (number,) in self._connection.execute("SELECT id FROM messages NOT INDEXED ORDER BY id"):
                yield number
        except apsw.Error as error:
            self._tell(damaged(self._path, error))


class _ReadOnlyFile(apsw.VFSFile):
    """A file that SQLite reads as if nobody else had it open, and that it cannot write."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        # A recorder that was closed leaves no log, but a file that says that it has one, and SQLite would make it.
        self._hides_log = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB) and log_of(Path(_file_name(name))) is None
        flags[0] = flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) | apsw.SQLITE_OPEN_READONLY
        super().__init__("", name, flags)

    def xLock(self, level: int) -> None: ...  # noqa: N802 - SQLite's names

    def xUnlock(self, level: int) -> None: ...  # noqa: N802

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileSize(self) -> int:  # noqa: N802
        # SQLite takes an empty file for a new database, although all that is in it may be in the log.
        return super().xFileSize() or _LEAST_SIZE

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        try:
            content = super().xRead(amount, offset)
        except apsw.IOError:  # beyond the end
            return b""
        at = _FORMAT.start - offset
        if self._hides_log and at >= 0 and content[at : at + len(_FORMAT)] == _WITH_LOG:
            content = content[:at] + _WITHOUT_LOG + content[at + len(_FORMAT) :]
        return content


def _file_name(name: str | apsw.URIFilename | None) -> str:
    return name.filename() if isinstance(name, apsw.URIFilename) else name or ""


class _ReadOnly(apsw.VFS):
    """SQLite's access to files without anything that would change them."""

    name = "sampt_read_only"

    def __init__(self) -> None:
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return super().xOpen(name, flags) if name is None else _ReadOnlyFile(name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None: ...  # noqa: N802

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        # A rollback journal would have to be rolled back, which writes: what was written counts.
        return not pathname.endswith("-journal") and super().xAccess(pathname, flags)


@cache
def _registered() -> _ReadOnly:
    """SQLite knows it for as long as this object is kept."""
    return _ReadOnly()


def _read_only() -> str:
    return _registered().name
