"""Reads MCAP files, also truncated ones and those without the records that the format makes optional.

The file's index is used to skip chunks without requested messages, but only if it is complete: a file may have no
message index, or one for some chunks only, no repeated channels or schemas, no statistics, or no summary at all.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import heappop, heappush
from pathlib import Path

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel, ChunkIndex, Schema, Statistics

from sampt_ros.bags.storage import DAMAGE, Entry, Topic, damaged, type_name

MAGIC = b"\x89MCAP0\r\n"

_RECORD = struct.Struct("<BQ")  # opcode, length of the content
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, recorded (ns), published (ns); then the data
_CHUNK = struct.Struct("<QQQII")  # first and last time, size and CRC of the records, length of the compression's name
_FOOTER = struct.Struct("<BQQQI8s")  # opcode, length, start of the summary, start of its offsets, its CRC, the magic
_TIMES = struct.Struct("<QQ")  # what a chunk's content begins with; an entry of a message index, a time and an offset
_FOOTER_SUMMED = 25  # bytes of the footer that its checksum covers, too
_DATA_RECORDS = (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE)
_UNKNOWN = (0x10, 0x80)  # range of unassigned opcodes; those from 0x80 on are for applications
_INDEX_RECORD = 15  # bytes of a message index besides its entries
_INDEX_ENTRY = 16
_RUN = 4 << 20  # bytes; records outside of chunks are read in runs of about this size
_JUMP_NS = 1_000_000_000  # a clock that is this much earlier than before was set back
_NO_TIME = 2**64 - 1
_MOST_HELD = 512 * 2**20  # bytes of messages that wait for earlier ones


@dataclass(frozen=True)
class _Segment:
    """Records that are read together: the content of a chunk, or a run of records outside of chunks."""

    start: int  # byte offset of the first record
    end: int  # byte offset of the end of the last record, or of the file
    is_chunk: bool
    first_ns: int = 0  # earliest recording time of its messages, and the latest
    last_ns: int = 0
    goes_back: bool | None = None  # whether the times of its messages, in order, do, if that is known already


@dataclass
class _Summary:
    """The summary section at the end of a file."""

    statistics: Statistics | None = None
    chunks: dict[int, ChunkIndex] = field(default_factory=dict)  # by byte offset

    @cached_property
    def is_indexed(self) -> bool:
        """Whether the message indices cover every message."""
        entries = sum(
            (chunk.message_index_length - _INDEX_RECORD * len(chunk.message_index_offsets)) // _INDEX_ENTRY
            for chunk in self.chunks.values()
        )
        return self.statistics is not None and entries == self.statistics.message_count


class McapFile:
    """The messages of an MCAP file.

    topics   topics of all channels; message counts from the file's statistics, or else counted
    last_ns  latest recording time (ns), 0 if there are no messages

    `warn` is called for each damaged part. A truncated chunk is read up to its end, a damaged one is skipped.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path, self._warn = path, warn
        self._size = path.stat().st_size
        self._file = path.open("rb")
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str]] = {}  # topic and type
        self._summary = self._read_summary()
        self._segments = [self._timed(segment) for segment in self._find_segments()]
        self.last_ns: int | None = max((segment.last_ns for segment in self._segments), default=0)
        self.topics = self._find_topics()

    def messages(self, names: Collection[str], clock: str = "") -> Iterator[Entry]:
        """The messages of these topics by time; from where the clock was set back by more than 1 s, after all before.

        clock: the topic whose times tell that; any of these if empty
        """
        parts = sorted(
            (epoch, segment.first_ns, row, cuts)
            for row, (segment, (epoch, cuts)) in enumerate(
                zip(self._segments, self._epochs({clock} if clock else names), strict=True)
            )
        )
        held: list[tuple[int, int, int, int, str, bytes]] = []  # epoch, time, segment, number in it; topic, data
        held_bytes = 0
        for part, following in zip(parts, [*parts[1:], None], strict=True):
            epoch, _, row, cuts = part
            for number, channel, recorded, data in self._read(self._segments[row], self._wanted(names)):
                own = epoch + sum(cut <= number for cut in cuts)
                heappush(held, (own, recorded, row, number, self._channels[channel][0], data))
                held_bytes += len(data)
            while held and (following is None or held[0][:3] < following[:3] or held_bytes > _MOST_HELD):
                if following is not None and held[0][:3] > following[:3]:
                    self._warn(f"{self._path}: its messages are so far out of order that not all of them can be sorted")
                _, recorded, _, _, name, data = heappop(held)
                held_bytes -= len(data)
                yield name, recorded, data

    def close(self) -> None:
        self._file.close()

    def _epochs(self, clock: Collection[str]) -> Iterator[tuple[int, list[int]]]:
        """For each segment, in which epoch it begins, and the numbers of its messages with which another one does.

        The clock is set back between two epochs. A message of another topic that is stored long after its time, as one
        that was added to a finished recording, does not show that, so in doubt the messages themselves are looked at.
        """
        epoch, newest = 0, 0  # the latest time of the clock's messages that were looked at
        others: list[tuple[int, int]] = []  # earlier segments that were not, the one that ends last first: -end, row

        def is_set_back(recorded: int) -> bool:
            nonlocal newest
            while newest <= recorded + _JUMP_NS and others and -others[0][0] > recorded + _JUMP_NS:
                segment = self._segments[heappop(others)[1]]
                newest = max([newest, *(time for _, _, time, _ in self._read(segment, self._wanted(clock)))])
            return newest > recorded + _JUMP_NS

        for row, segment in enumerate(self._segments):
            begins, cuts = epoch, list[int]()
            latest = max(newest, -others[0][0] if others else 0)
            if segment.first_ns < latest - _JUMP_NS or self._goes_back(segment, clock):
                for number, _, recorded, _ in self._read(segment, self._wanted(clock)):
                    if is_set_back(recorded):
                        epoch, others, newest = epoch + 1, [], 0
                        cuts.append(number)
                    newest = max(newest, recorded)
            else:
                heappush(others, (-segment.last_ns, row))
            yield begins, cuts

    def _goes_back(self, segment: _Segment, clock: Collection[str]) -> bool:
        """Whether the clock may have been set back within a segment.

        Most chunks are too short for that. The message index tells it of the others, without decompressing them.
        """
        if segment.last_ns - segment.first_ns <= _JUMP_NS or segment.goes_back is not None:
            return bool(segment.goes_back)
        index = self._summary.chunks.get(segment.start)
        if index is None or not self._summary.is_indexed:
            return True
        wanted = self._wanted(clock)
        starts = [start for channel, start in index.message_index_offsets.items() if wanted(channel)]
        try:
            entries = sorted((offset, recorded) for start in starts for recorded, offset in self._index_entries(start))
        except DAMAGE:
            return True
        return _go_back(recorded for _, recorded in entries)

    def _index_entries(self, start: int) -> list[tuple[int, int]]:
        """The time and the offset in its chunk of each message in the message index at this byte of the file."""
        self._file.seek(start)
        opcode, length = _RECORD.unpack(self._file.read(_RECORD.size))
        if opcode != Opcode.MESSAGE_INDEX:
            raise ValueError(f"expected a message index; got a record of kind {opcode:#x}")
        return list(_TIMES.iter_unpack(self._file.read(length)[_INDEX_RECORD - _RECORD.size :]))

    def _wanted(self, names: Collection[str]) -> Callable[[int], bool]:
        return lambda channel: channel in self._channels and self._channels[channel][0] in names

    def _read_summary(self) -> _Summary:
        """The summary that the footer points to; empty if either is missing or damaged."""
        self._file.seek(max(0, self._size - _FOOTER.size))
        end = self._file.read(_FOOTER.size)
        if len(end) < _FOOTER.size:
            return _Summary()
        opcode, length, start, _, crc, magic = _FOOTER.unpack(end)
        if (opcode, length, magic) != (Opcode.FOOTER, 20, MAGIC) or not len(MAGIC) <= start < self._size:
            return _Summary()
        summary = _Summary()
        self._file.seek(start)
        records = self._file.read(self._size - _FOOTER.size - start)
        if crc and zlib.crc32(end[:_FOOTER_SUMMED], zlib.crc32(records)) != crc:
            self._warn(damaged(self._path, "the checksum of its summary is wrong"))
            return _Summary()
        try:
            for kind, content in _records(records):
                stream = ReadDataStream(io.BytesIO(content))
                if kind == Opcode.STATISTICS:
                    summary.statistics = Statistics.read(stream)
                elif kind == Opcode.CHUNK_INDEX:
                    chunk = ChunkIndex.read(stream)
                    summary.chunks[chunk.chunk_start_offset] = chunk
                else:
                    self._add_record(kind, content)
        except DAMAGE:
            return _Summary()
        return summary

    def _find_segments(self) -> Iterator[_Segment]:
        """Find the segments by the lengths of the records; those after a damaged record by the chunk index."""
        at, run = len(MAGIC), -1  # -1: no run has begun
        times: list[int] = []  # of the messages of a run
        while True:
            self._file.seek(at)
            head = self._file.read(_RECORD.size + max(_TIMES.size, _MESSAGE.size))
            opcode, length = _RECORD.unpack_from(head) if len(head) >= _RECORD.size else (0, self._size)
            end = at + _RECORD.size + length
            if run >= 0 and (opcode not in _DATA_RECORDS or at - run > _RUN):
                yield _Segment(run, at, False, min(times, default=0), max(times, default=0), _go_back(times))
                run, times = -1, []
            if opcode == Opcode.DATA_END:
                return
            if opcode == Opcode.CHUNK:
                whole = len(head) >= _RECORD.size + _TIMES.size
                first, last = _TIMES.unpack_from(head, _RECORD.size) if whole else (0, 0)
                yield _Segment(at, min(end, self._size), True, first, last)
            elif opcode in _DATA_RECORDS and run < 0:
                run = at
            if opcode == Opcode.MESSAGE and len(head) >= _RECORD.size + _MESSAGE.size:
                times.append(_MESSAGE.unpack_from(head, _RECORD.size)[2])
            if end > self._size or _UNKNOWN[0] <= opcode < _UNKNOWN[1] or opcode == 0:
                break
            at = end
        if run >= 0:
            yield _Segment(run, self._size, False, min(times, default=0), max(times, default=0), _go_back(times))
        reason = "it has no end" if end > self._size else f"a record of kind {opcode:#x} is none of MCAP's"
        self._warn(damaged(self._path, reason))
        for start, chunk in sorted(self._summary.chunks.items()):
            if start > at:
                end = min(start + chunk.chunk_length, self._size)
                yield _Segment(start, end, True, chunk.message_start_time, chunk.message_end_time)

    def _timed(self, segment: _Segment) -> _Segment:
        """A segment with the times of its messages, which are looked at if its chunk's header does not tell them.

        Some writers leave these fields 0, or at the greatest number.
        """
        if not segment.is_chunk or 0 < segment.first_ns <= segment.last_ns < _NO_TIME:
            return segment
        times = [recorded for _, _, recorded, _ in self._read(segment, lambda _: True)]
        return replace(
            segment, first_ns=min(times, default=0), last_ns=max(times, default=0), goes_back=_go_back(times)
        )

    def _find_topics(self) -> list[Topic]:
        """The topics from the summary, if it has every channel with its schema and count; otherwise by reading all."""
        statistics = self._summary.statistics
        counts = Counter(statistics.channel_message_counts if statistics else {})
        known = statistics is not None and counts.total() == statistics.message_count
        if not known or not all(channel in self._channels and self._channels[channel][1] for channel in counts):
            counted: Counter[int] = Counter()
            for segment in self._segments:
                counted.update(channel for _, channel, _, _ in self._read(segment, lambda _: True))
            counts |= counted
        found: dict[str, Topic] = {}
        for channel, (name, kind) in self._channels.items():
            found[name] = Topic(name, kind or "of unknown type", counts[channel]) + found.get(name)
        return list(found.values())

    def _read(self, segment: _Segment, wanted: Callable[[int], bool]) -> Iterator[tuple[int, int, int, bytes]]:
        """Number in the segment, channel, time and data of the wanted messages, in the order of the file."""
        index = self._summary.chunks.get(segment.start)
        if index and self._summary.is_indexed and not any(map(wanted, index.message_index_offsets)):
            return
        number = 0
        try:
            for opcode, content in _records(self._content(segment)):
                if opcode == Opcode.MESSAGE:
                    channel, _, recorded, _ = _MESSAGE.unpack_from(content)
                    if wanted(channel):
                        yield number, channel, recorded, bytes(content[_MESSAGE.size :])
                    number += 1
                else:
                    self._add_record(opcode, content)
        except DAMAGE as error:
            self._warn(damaged(self._path, error))

    def _content(self, segment: _Segment) -> bytes:
        """The records of a segment, decompressed."""
        self._file.seek(segment.start)
        data = self._file.read(segment.end - segment.start)
        if not segment.is_chunk:
            return data
        at = _RECORD.size + _CHUNK.size
        _, _, size, crc, name_length = _CHUNK.unpack_from(data, _RECORD.size)
        compression = data[at : at + name_length].decode()
        at += name_length
        (length,) = struct.unpack_from("<Q", data, at)
        packed = data[at + 8 : at + 8 + length]
        content = _decompressed(packed, compression)
        if len(packed) == length and len(content) != size:
            raise ValueError(f"a chunk holds {len(content)} bytes, not {size}")
        if len(packed) == length and crc and zlib.crc32(content) != crc:
            raise ValueError("the checksum of a chunk is wrong")
        return content

    def _add_record(self, opcode: int, content: memoryview) -> None:
        """Remember a schema or a channel; other records are ignored."""
        stream = ReadDataStream(io.BytesIO(content))
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(stream)
            self._schemas[schema.id] = schema.name
        elif opcode == Opcode.CHANNEL:
            channel = Channel.read(stream)
            schema_name = self._schemas.get(channel.schema_id, "" if channel.schema_id else "no type")
            kind = type_name(schema_name, channel.message_encoding) if schema_name else ""
            self._channels[channel.id] = channel.topic, kind


def _go_back(times: Iterable[int]) -> bool:
    """Whether one of these times is so much earlier than one before it that the clock was set back."""
    newest = 0
    for time in times:
        if time < newest - _JUMP_NS:
            return True
        newest = max(newest, time)
    return False


def _records(content: bytes) -> Iterator[tuple[int, memoryview]]:
    """Yield opcode and content of each record; raises EOFError if the last one is truncated."""
    data, at = memoryview(content), 0
    while at < len(data):
        if at + _RECORD.size > len(data):
            raise EOFError("a record is cut off")
        opcode, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + length > len(data):
            raise EOFError("a record is cut off")
        yield opcode, data[at : at + length]
        at += length


def _decompressed(packed: bytes, compression: str) -> bytes:
    """The decompressed content of a chunk; of a truncated one, as much as there is."""
    if compression == "zstd":
        return zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(packed)
    if compression == "lz4":
        parts, rest = [], packed
        while rest:  # frame after frame
            frame = lz4.frame.LZ4FrameDecompressor()
            parts.append(bytes(frame.decompress(rest)))
            rest = frame.unused_data or b""
        return b"".join(parts)
    if compression:
        raise ValueError(f"expected a chunk compressed by zstd or lz4; got {compression}")
    return packed
