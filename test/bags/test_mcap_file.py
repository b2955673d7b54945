"""MCAP files without their optional records, with damaged or cut off chunks, and out of order."""

from __future__ import annotations

import pytest
import zstandard
from bags import IMAGES, PERIOD, recorded, times, write_mcap
from mcap.writer import IndexType
from mcap.writer import Writer as McapWriter

from sampt_ros.bags.mcap_file import _decompressed
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


def test_messages_of_neighbouring_chunks_are_sorted_and_a_clock_set_back_is_not(tmp_path):
    def written(name, order):
        with (tmp_path / name).open("wb") as file:
            writer = McapWriter(file, chunk_size=1)
            writer.start("ros2")
            channel = writer.register_channel(IMAGES, "cdr", writer.register_schema(IMAGE, "ros2msg", b""))
            for at in order:
                writer.add_message(channel, at, b"", at)
            writer.finish()
        return tmp_path / name

    assert times(written("a.mcap", [1, 3, 2, 4])) == [1, 2, 3, 4]
    back = [5 * 10**9, 6 * 10**9, 1, 2]
    assert times(written("b.mcap", back)) == back
