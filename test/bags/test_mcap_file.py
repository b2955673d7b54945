"""MCAP files without their optional records, with damaged or cut off chunks, and out of order."""

from __future__ import annotations

import pytest
import zstandard
from bags import IMAGES, PERIOD, recorded, times, write_mcap
from mcap.writer import IndexType
from mcap.writer import Writer as McapWriter

from sampt_ros.bags import mcap_file
from sampt_ros.bags.mcap_file import McapFile, _decompressed
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.types import IMAGE


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"index_types": IndexType.NONE},
        {"index_types": IndexType.ATTACHMENT | IndexType.CHUNK},
        {"index_types": IndexType.ALL & ~IndexType.CHUNK},
        {"repeat_channels": False},
        {"repeat_schemas": False},
        {"repeat_channels": False, "repeat_schemas": False, "use_statistics": False},
        {"use_statistics": False},
        {"use_summary_offsets": False},
        {"use_chunking": False},
    ],
    ids=str,
)
def test_records_that_mcap_makes_optional_may_be_missing(tmp_path, caplog, options):
    assert times(write_mcap(tmp_path / "bag.mcap", 8, **options)) == recorded(8)
    assert not caplog.text


def test_chunks_without_a_message_index_are_read_like_the_others(tmp_path, caplog, monkeypatch):
    from mcap.records import ChunkIndex

    write = ChunkIndex.write

    def partial(self, stream):
        if 3 <= (self.message_start_time - recorded(1)[0]) // PERIOD < 6:
            self.message_index_offsets, self.message_index_length = {}, 0
        write(self, stream)

    monkeypatch.setattr(ChunkIndex, "write", partial)
    assert times(write_mcap(tmp_path / "bag.mcap", 8)) == recorded(8)
    assert not caplog.text


@pytest.mark.parametrize("compression", ["NONE", "LZ4", "ZSTD"])
def test_a_chunk_that_is_cut_off_is_read_up_to_the_cut(tmp_path, caplog, compression):
    from mcap.writer import CompressionType

    file = write_mcap(tmp_path / "bag.mcap", 400, 1 << 30, compression=CompressionType[compression])
    with file.open("rb") as whole:
        data = whole.read()
    file.write_bytes(data[: len(data) // 2])
    read = times(file)
    assert read == recorded(len(read))
    assert len(read) > 100
    assert "bag.mcap is damaged (" in caplog.text


def test_a_damaged_summary_is_told_and_not_believed(tmp_path, caplog):
    file = write_mcap(tmp_path / "bag.mcap", 8)
    data = bytearray(file.read_bytes())
    data[data.rindex(IMAGES.encode()) + 1] ^= 1  # the topic's name in the summary
    file.write_bytes(data)
    assert times(file) == recorded(8)
    assert "bag.mcap is damaged (the checksum of its summary is wrong)" in caplog.text


@pytest.mark.parametrize("kind", ["zstd", "lz4"])
def test_a_chunk_may_be_compressed_in_several_frames_and_is_as_long_as_it_says(kind):
    import lz4.frame

    compress = {"zstd": zstandard.compress, "lz4": lz4.frame.compress}[kind]
    assert _decompressed(compress(b"one, ") + compress(b"two"), kind) == b"one, two"
    assert b"one".startswith(_decompressed(compress(b"one")[:-3], kind))  # cut off


def test_a_chunk_that_is_shorter_than_it_says_is_told(tmp_path, caplog):
    from mcap.writer import CompressionType

    file = write_mcap(tmp_path / "bag.mcap", 8, compression=CompressionType.NONE, enable_crcs=False)
    data = bytearray(file.read_bytes())
    data[8 + 9 + int.from_bytes(data[9:17], "little") + 9 + 16] += 1  # the size that the first chunk names
    file.write_bytes(data)
    assert times(file) == recorded(7, 1)
    assert "bag.mcap is damaged (a chunk holds" in caplog.text
    assert f"1 of 8 messages on {IMAGES} are missing or damaged" in caplog.text


QUERIES = "/queries"


def written(path, order, **options):
    """An MCAP file with messages of these times on these topics, in this order, each in its own chunk if not told."""
    with path.open("wb") as file:
        writer = McapWriter(file, **{"chunk_size": 1, **options})
        writer.start("ros2")
        schema = writer.register_schema(IMAGE, "ros2msg", b"")
        channels = {topic: writer.register_channel(topic, "cdr", schema) for topic in (IMAGES, QUERIES)}
        for topic, at in order:
            writer.add_message(channels[topic], at, bytes(20), at)
        writer.finish()
    return path


def read(path, clock=IMAGES):
    """The topics and times of all messages, as they are read."""
    with BagReader(path) as bag:
        return [(topic, at) for topic, at, _ in bag.messages({IMAGES, QUERIES}, clock)]


def images(*seconds):
    return [(IMAGES, round(at * 10**9)) for at in seconds]


def queries(*seconds):
    return [(QUERIES, round(at * 10**9)) for at in seconds]


def test_messages_of_neighbouring_chunks_are_sorted_and_a_clock_set_back_is_not(tmp_path):
    path = written(tmp_path / "a.mcap", [(IMAGES, at) for at in (1, 3, 2, 4)])
    assert times(path) == [1, 2, 3, 4]
    back = images(5, 6, 1, 2)
    assert times(written(tmp_path / "b.mcap", back)) == [at for _, at in back]


ALL = images(*range(30))


@pytest.mark.parametrize(
    "order",
    [
        [*ALL, *queries(5.5)],  # added to a finished recording
        [*ALL[:20], *queries(19.5), *ALL[20:], *queries(5.5, 3.5)],  # on a topic that is in the recording
        [*queries(5.5, 19.5), *ALL],  # written before all images
        [*ALL[:8], *queries(5.5), *ALL[8:]],  # late by more than a chunk
    ],
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"chunk_size": 100},
        {"chunk_size": 1 << 20},
        {"use_chunking": False},
        {"index_types": IndexType.NONE, "use_statistics": False},
    ],
    ids=str,
)
def test_a_message_that_is_stored_far_from_its_time_is_read_in_time(tmp_path, order, options, caplog):
    assert read(written(tmp_path / "a.mcap", order, **options)) == sorted(order, key=lambda each: each[1])
    assert not caplog.text


@pytest.mark.parametrize("options", [{}, {"chunk_size": 100}, {"index_types": IndexType.NONE}], ids=str)
def test_after_a_clock_was_set_back_messages_come_after_all_before(tmp_path, options):
    before, after = [*images(0, 1, 2, 3), *queries(3.5), *images(*range(4, 30))], images(*range(10, 20))
    path = written(tmp_path / "a.mcap", [*before, *after, *queries(12.5)], **options)
    expected = before + sorted([*after, *queries(12.5)], key=lambda each: each[1])
    assert read(path) == expected


@pytest.mark.parametrize("chunk_size", [1, 200, 400, 800, 1 << 20])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_chunking": False},
        {"index_types": IndexType.NONE, "use_statistics": False},
        {"index_types": IndexType.ALL & ~IndexType.MESSAGE},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (images(*range(100, 106)), images(*range(90, 96))),
        # a clock that was wrong for a moment
        (images(*range(100, 110), 200), images(*range(110, 120))),
    ],
    ids=["back", "ahead"],
)
def test_a_clock_may_be_set_back_within_a_chunk_also_within_the_first(tmp_path, chunk_size, options, before, after):
    path = written(tmp_path / "a.mcap", [*before, *after], chunk_size=chunk_size, **options)
    assert read(path) == [*before, *after]


def test_long_chunks_are_not_read_twice_to_see_that_the_clock_was_not_set_back(tmp_path, monkeypatch):
    loaded = []
    content = McapFile._content
    monkeypatch.setattr(McapFile, "_content", lambda self, segment: loaded.append(segment) or content(self, segment))
    order = [*images(*range(30)), *queries(2), *images(*range(30, 60))]
    assert len(read(written(tmp_path / "a.mcap", order, chunk_size=500))) == 61
    assert len(loaded) == len(set(loaded)) + 1  # the query's, where the clock might have been set back
    assert len(set(loaded)) > 3


def test_few_chunks_are_held_at_a_time(tmp_path, monkeypatch):
    order = [each for pair in zip(images(*range(1, 60, 2)), images(*range(0, 60, 2)), strict=True) for each in pair]
    loaded = []
    content = McapFile._content
    monkeypatch.setattr(McapFile, "_content", lambda self, segment: loaded.append(segment) or content(self, segment))
    with BagReader(written(tmp_path / "a.mcap", order)) as bag:
        behind = [len(loaded) - index for index, _ in enumerate(bag.messages({IMAGES}))]
    assert max(behind) <= 4


@pytest.mark.parametrize("options", [{}, {"chunk_size": 100}], ids=str)
def test_a_message_far_ahead_of_the_images_makes_no_chunk_after_it_be_read_again(tmp_path, monkeypatch, options):
    order = [*images(*range(1, 31)), *queries(10_000), *images(*range(31, 61))]
    loaded = []
    content = McapFile._content
    monkeypatch.setattr(McapFile, "_content", lambda self, segment: loaded.append(segment) or content(self, segment))
    path = written(tmp_path / "a.mcap", order, **options)
    assert read(path) == sorted(order, key=lambda each: each[1])
    assert len(loaded) <= len(set(loaded)) + 2  # what is ahead, and what follows it
    back = [*order, *images(*range(20, 50))]
    assert read(written(tmp_path / "b.mcap", back, **options))[61:] == images(*range(20, 50))


@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, None), (2**64 - 1, 0), (2**64 - 1, 2**64 - 1)])
def test_chunks_whose_headers_do_not_tell_their_times_hold_nothing_back(tmp_path, monkeypatch, caplog, first, last):
    from mcap.records import Chunk

    write = Chunk.write

    def untimed(self, stream):
        self.message_start_time = first
        self.message_end_time = self.message_end_time if last is None else last
        write(self, stream)

    monkeypatch.setattr(Chunk, "write", untimed)
    monkeypatch.setattr(mcap_file, "_MOST_HELD", 100)
    order = [*images(*range(1, 30)), *queries(28.5), *images(*range(30, 60)), *queries(5.5), *images(*range(10, 20))]
    path = written(tmp_path / "a.mcap", order, index_types=IndexType.NONE, use_statistics=False)
    assert read(path) == [*sorted(order[:-10], key=lambda each: each[1]), *order[-10:]]
    assert not caplog.text


def test_more_disorder_than_memory_allows_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(mcap_file, "_MOST_HELD", 100)
    order = [*images(*range(20)), *queries(*range(5, 15))]
    path = written(tmp_path / "a.mcap", order, chunk_size=10_000)
    assert sorted(read(path)) == sorted(order)
    path = written(tmp_path / "b.mcap", [each for at in range(20) for each in images(at) + queries(0)], chunk_size=60)
    assert len(read(path)) == 40
    assert "b.mcap: its messages are so far out of order that not all of them can be sorted" in caplog.text
    assert "a.mcap" not in caplog.text
