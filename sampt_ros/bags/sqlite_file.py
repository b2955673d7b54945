"""Reads SQLite3 files of a bag, also truncated ones and those left with a write-ahead log by a killed recorder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import apsw

from sampt_ros.bags.storage import Entry, Topic, damaged, type_name

MAGIC = b"SQLite format 3\0"
LOG = "-wal"  # suffix of a file's write-ahead log

_MIN_SIZE = 512  # bytes
_STEPS = 10_000  # Steps of SQLite between two calls of _Effort.spend.
# A whole file of 200,000 messages of 5 bytes took 3.2 steps per byte; the larger messages are, the fewer it takes.
_LEAST_STEPS, _STEPS_PER_BYTE = 1_000_000, 20
_FORMAT = range(18, 20)  # the bytes of a file that say whether it has a write-ahead log
_WITH_LOG, _WITHOUT_LOG = b"\2\2", b"\1\1"


def log_of(path: Path) -> Path | None:
    """The write-ahead log beside a file; None if there is none, or only an empty one."""
    log = path.with_name(path.name + LOG)
    return log if log.is_file() and log.stat().st_size > 0 else None


class SqliteFile:
    """The messages of a SQLite3 file, including those in its write-ahead log. Neither file is written or locked.

    topics   topics with message counts, unless damage prevents counting
    last_ns  latest recording time (ns), 0 if there are no messages; None if damage prevents finding it

    `warn` is called for each damaged part. Damaged messages are skipped; a truncated file is read up to its end.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path, self._warn = path, warn
        real = path.resolve()  # SQLite expects the log beside the file that a link leads to.
        if log_of(path) and not log_of(real):
            warn(f"{path}{LOG} is not read: {path.name} is a link, and its log is looked for beside {real}")
        self._connection = apsw.Connection(str(real), flags=apsw.SQLITE_OPEN_READONLY, vfs=_read_only())
        # So that the log is read without the -shm file, which would have to be written.
        self._connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        # Without this SQLite refuses a file that is shorter than its header says.
        self._connection.execute("PRAGMA writable_schema=ON")
        self._effort = _Effort(real)
        self._connection.set_progress_handler(self._effort.spend, _STEPS)
        self._topics: dict[int, Topic] = {}
        self._is_whole = True
        self._find_topics()
        self.topics = list(self._topics.values())
        self.last_ns = self._find_last()

    def messages(self, names: Collection[str], clock: str = "") -> Iterator[Entry]:
        """The messages of these topics by time, or by id if the index by time is damaged; `clock` changes nothing."""
        wanted = [number for number, topic in self._topics.items() if topic.name in names]
        query = (
            "SELECT topic_id, timestamp, data FROM messages "
            f"WHERE id = ? AND topic_id IN ({','.join('?' for _ in wanted)})"
        )
        unread = 0
        self._effort.begin()
        for number in self._ids():
            try:
                row = self._connection.execute(query, (number, *wanted)).fetchone()
            except apsw.Error as error:
                self._warn(damaged(self._path, error))
                unread += 1
                continue
            if row:
                topic, recorded, data = row
                if not isinstance(recorded, int) or not isinstance(data, bytes):
                    self._warn(damaged(self._path, f"a message's time and data are {recorded!r:.40} and {data!r:.40}"))
                    unread += 1
                    continue
                yield self._topics[topic].name, recorded, data
        if unread and not self._is_whole:  # for a whole file the message counts show how many are missing
            self._warn(f"{self._path}: {unread} messages cannot be read")

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
                    self._warn(damaged(self._path, f"a topic's name and type are {name!r:.40} and {kind!r:.40}"))
            counts: dict[Any, Any] = dict(
                self._connection.execute("SELECT topic_id, count(*) FROM messages GROUP BY topic_id")
            )
        except apsw.Error as error:
            self._is_whole = False
            self._warn(damaged(self._path, error))
            return
        for number, topic in self._topics.items():
            self._topics[number] = Topic(topic.name, topic.type, counts.get(number, 0))

    def _find_last(self) -> int | None:
        if not self._is_whole:
            return None
        try:
            ((last,),) = self._connection.execute("SELECT ifnull(max(timestamp), 0) FROM messages")
        except apsw.Error:  # told when the messages are read
            return None
        return last if isinstance(last, int) else None

    def _ids(self) -> Iterator[int]:
        """The ids of all messages by time; if the index by time is damaged, in order of id and up to the damage."""
        by_time = "SELECT id FROM messages ORDER BY timestamp, id"
        if self._is_whole:
            yield from self._ids_up_to_damage(by_time)
            return
        try:
            ids = [number for (number,) in self._connection.execute(by_time)]
        except apsw.Error:
            ids = list(self._ids_up_to_damage("SELECT id FROM messages NOT INDEXED ORDER BY id"))
        yield from dict.fromkeys(ids)  # A damaged file may list a message again and again.

    def _ids_up_to_damage(self, query: str) -> Iterator[Any]:
        try:
            for (number,) in self._connection.execute(query):
                yield number
        except apsw.Error as error:
            self._warn(damaged(self._path, error))


class _Effort:
    """Limits how much SQLite computes: pages of a damaged file may refer to each other in circles."""

    def __init__(self, path: Path) -> None:
        log = log_of(path)
        self._most = max(_LEAST_STEPS, _STEPS_PER_BYTE * (path.stat().st_size + (log.stat().st_size if log else 0)))
        self._spent = 0

    def begin(self) -> None:
        """Count anew, for the next reading of the file."""
        self._spent = 0

    def spend(self) -> bool:
        """Called by SQLite every _STEPS steps; raises apsw.CorruptError if there were too many."""
        self._spent += _STEPS
        if self._spent > self._most:
            raise apsw.CorruptError("its pages refer to each other in circles")
        return False


class _ReadOnlyFile(apsw.VFSFile):
    """A file that SQLite reads without locking it, and cannot write."""

    def __init__(self, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        # A closed recorder leaves no log but a file whose header announces one, which SQLite would create.
        self._hides_log = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB) and log_of(Path(_file_name(name))) is None
        flags[0] = flags[0] & ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE) | apsw.SQLITE_OPEN_READONLY
        super().__init__("", name, flags)

    def xLock(self, level: int) -> None: ...  # noqa: N802 - SQLite's names

    def xUnlock(self, level: int) -> None: ...  # noqa: N802

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        return False

    def xFileSize(self) -> int:  # noqa: N802
        # SQLite takes an empty file for a new database, although its whole content may be in the log.
        return super().xFileSize() or _MIN_SIZE

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
    """A virtual file system for SQLite that never changes a file."""

    name = "sampt_read_only"

    def __init__(self) -> None:
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return super().xOpen(name, flags) if name is None else _ReadOnlyFile(name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None: ...  # noqa: N802

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: N802
        # Rolling back a journal would write to the file, so journals are hidden: the file is read as it is.
        return not pathname.endswith("-journal") and super().xAccess(pathname, flags)


@cache
def _registered() -> _ReadOnly:
    """The file system, which stays registered with SQLite as long as this object exists."""
    return _ReadOnly()


def _read_only() -> str:
    return _registered().name
