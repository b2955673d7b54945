"""Reads MCAP files, also truncated ones and those without the records that the format makes optional.

The file's index is used to skip chunks without requested messages, but only if it is complete: a file may have no
message index, or one for some chunks only, no repeated channels or schemas, no statistics, or no summary at all.
"""

from __future__ import annotations

import io
import struct
import zlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import cached_property
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
_FOOTER_SUMMED = 25  # bytes of the footer that its checksum covers, too
_DATA_RECORDS = (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE)
_UNKNOWN = (0x10, 0x80)  # range of unassigned opcodes; those from 0x80 on are for applications
_INDEX_RECORD = 15  # bytes of a message index besides its entries
_INDEX_ENTRY = 16
_RUN = 4 << 20  # bytes; records outside of chunks are read in runs of about this size
_JUMP_NS = 1_000_000_000  # after a jump back this large, later messages are not sorted in among earlier ones


@dataclass(frozen=True)
class _Segment:
    """Records that are read together: the content of a chunk, or a run of records outside of chunks."""

    start: int  # byte offset of the first record
    end: int  # byte offset of the end of the last record, or of the file
    is_chunk: bool


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

    topics  topics of all channels; message counts from the file's statistics, or else counted

    `warn` is called for each damaged part. A truncated chunk is read up to its end, a damaged one is skipped.
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self._path, self._warn = path, warn
        self._size = path.stat().st_size
        self._file = path.open("rb")
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, tuple[str, str]] = {}  # topic and type
        self._summary = self._read_summary()
        self._segments = list(self._find_segments())
        self.topics = self._find_topics()

    def messages(self, names: Collection[str]) -> Iterator[Entry]:
        """The messages of these topics, sorted by time across neighbouring chunks."""
        held: list[Entry] = []  # entries of the last segment, which may be later than those of the next one
        for segment in self._segments:
            entries = [
                (self._channels[channel][0], recorded, data)
                for channel, recorded, data in self._read(segment, self._wanted(names))
            ]
            if not entries:
                continue
            entries.sort(key=_time)
            if held and entries[0][1] < held[0][1] - _JUMP_NS:
                yield from held
            elif held:
                earlier = bisect_left(held, entries[0][1], key=_time)
                yield from held[:earlier]
                if rest := held[earlier:]:
                    until = bisect_left(entries, rest[-1][1], key=_time)
                    yield from sorted([*rest, *entries[:until]], key=_time)
                    entries = entries[until:]
            held = entries
        yield from held

    def close(self) -> None:
        self._file.close()

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
        while True:
            self._file.seek(at)
            head = self._file.read(_RECORD.size)
            opcode, length = _RECORD.unpack(head) if len(head) == _RECORD.size else (0, self._size)
            end = at + _RECORD.size + length
            if run >= 0 and (opcode not in _DATA_RECORDS or at - run > _RUN):
                yield _Segment(run, at, is_chunk=False)
                run = -1
            if opcode == Opcode.DATA_END:
                return
            if opcode == Opcode.CHUNK:
                yield _Segment(at, min(end, self._size), is_chunk=True)
            elif opcode in _DATA_RECORDS and run < 0:
                run = at
            if end > self._size or _UNKNOWN[0] <= opcode < _UNKNOWN[1] or opcode == 0:
                break
            at = end
        if run >= 0:
            yield _Segment(run, self._size, is_chunk=False)
        reason = "it has no end" if end > self._size else f"a record of kind {opcode:#x} is none of MCAP's"
        self._warn(damaged(self._path, reason))
        for start, chunk in sorted(self._summary.chunks.items()):
            if start > at:
                yield _Segment(start, min(start + chunk.chunk_length, self._size), is_chunk=True)

    def _find_topics(self) -> list[Topic]:
        """The topics from the summary, if it has every channel with its schema and count; otherwise by reading all."""
        statistics = self._summary.statistics
        counts = Counter(statistics.channel_message_counts if statistics else {})
        known = statistics is not None and counts.total() == statistics.message_count
        if not known or not all(channel in self._channels and self._channels[channel][1] for channel in counts):
            counted: Counter[int] = Counter()
            for segment in self._segments:
                counted.update(channel for channel, _, _ in self._read(segment, lambda _: True))
            counts |= counted
        found: dict[str, Topic] = {}
        for channel, (name, kind) in self._channels.items():
            found[name] = Topic(name, kind or "of unknown type", counts[channel]) + found.get(name)
        return list(found.values())

    def _read(self, segment: _Segment, wanted: Callable[[int], bool]) -> Iterator[tuple[int, int, bytes]]:
        """Channel, time and data of the wanted messages, in the order of the file."""
        index = self._summary.chunks.get(segment.start)
        if index and self._summary.is_indexed and not any(map(wanted, index.message_index_offsets)):
            return
        try:
            for opcode, content in _records(self._content(segment)):
                if opcode == Opcode.MESSAGE:
                    channel, _, recorded, _ = _MESSAGE.unpack_from(content)
                    if wanted(channel):
                        yield channel, recorded, bytes(content[_MESSAGE.size :])
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


def _time(entry: Entry) -> int:
    return entry[1]


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
