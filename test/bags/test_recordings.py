"""Bags as recorders, people and disks leave them: every image that they hold is read, or the number missing is said."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys

import bags
import numpy as np
import pytest
import zstandard
from bags import DELAY, IMAGES, PERIOD, START, images
from mcap.writer import IndexType
from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.mcap_file import _decompressed
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.storage import type_name
from sampt_ros.bags.types import IMAGE
from sampt_ros.bags.writer import BagWriter
from sampt_ros.cli import main as cli
from sampt_ros.errors import SourceError

STORAGES = ("mcap", "sqlite3")

KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA wal_autocheckpoint=0")
connection.executescript(sys.stdin.read())
connection.commit()
os._exit(0)  # the log is not written back
"""


def times(path) -> list[int]:
    """When the images of a bag were recorded, as they are read."""
    with BagReader(path) as bag:
        return [recorded for _, recorded, _ in bag.messages({IMAGES})]


def recorded(count: int, first: int = 0) -> list[int]:
    return [START + index * PERIOD + DELAY for index in range(first, first + count)]


def dump(path) -> str:
    """A SQLite3 file as the statements that make it."""
    with sqlite3.connect(path) as connection:
        return "\n".join(line for line in connection.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;"))


def left_by_a_killed_recorder(folder, count, before=0):
    """A bag whose newest images are in the log alone; `before` are in the file."""
    whole = bags.storage_file(bags.write(folder / "whole", images(count), "sqlite3"))
    bag = folder / "bag"
    bag.mkdir()
    file = bag / "bag_0.db3"
    if before:
        shutil.copy(bags.storage_file(bags.write(folder / "first", images(before), "sqlite3")), file)
        statements = [line for line in dump(whole).splitlines() if 'INTO "messages"' in line][before:]
        subprocess.run([sys.executable, "-c", KILLED, file], input="\n".join(statements), text=True, check=True)
    else:
        subprocess.run([sys.executable, "-c", KILLED, file], input=dump(whole), text=True, check=True)
    return bag


def contents(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("before", [5, 0], ids=["newest in the log", "all in the log"])
@pytest.mark.parametrize("shared_memory", [True, False])
def test_what_is_in_the_log_of_a_killed_recorder_is_read_and_nothing_is_changed(
    tmp_path, caplog, before, shared_memory
):
    bag = left_by_a_killed_recorder(tmp_path, 8, before)
    if not shared_memory:
        (bag / "bag_0.db3-shm").unlink()
    found = contents(bag)
    bag.chmod(0o555)
    try:
        assert times(bag) == times(bag / "bag_0.db3") == recorded(8)
    finally:
        bag.chmod(0o755)
    assert contents(bag) == found
    assert not caplog.text


@pytest.mark.parametrize("left", ["nothing", "empty log"])
def test_a_bag_with_a_log_that_was_closed_is_read(tmp_path, caplog, left):
    bag = bags.write(tmp_path / "bag", images(8), "sqlite3")
    connection = sqlite3.connect(bags.storage_file(bag))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("UPDATE topics SET type = type")
    connection.commit()
    connection.close()
    assert [file.suffix for file in sorted(bag.iterdir())] == [".db3", ".yaml"]
    if left == "empty log":
        (bag / "bag.db3-wal").touch()
    found = contents(bag)
    assert times(bag) == recorded(8)
    assert contents(bag) == found
    assert not caplog.text


@pytest.mark.parametrize("before", [5, 0], ids=["newest in the log", "all in the log"])
def test_links_to_a_bag_are_followed(tmp_path, caplog, before):
    bag = left_by_a_killed_recorder(tmp_path, 8, before)
    (tmp_path / "linked").symlink_to(bag)
    (tmp_path / "files").mkdir()
    (tmp_path / "files/mine.db3").symlink_to(bag / "bag_0.db3")
    assert times(tmp_path / "linked") == times(tmp_path / "files") == times(tmp_path / "files/mine.db3") == recorded(8)
    assert not caplog.text


def test_a_log_that_is_not_beside_the_linked_file_is_told(tmp_path, caplog):
    bag = left_by_a_killed_recorder(tmp_path, 8, 5)
    (bag / "bag_0.db3").rename(tmp_path / "blob")
    (bag / "bag_0.db3").symlink_to(tmp_path / "blob")
    assert times(bag) == recorded(5)
    assert "bag_0.db3-wal is not read: bag_0.db3 is a link" in caplog.text


def test_an_empty_file_is_read_from_its_log(tmp_path):
    bag = left_by_a_killed_recorder(tmp_path, 3)
    (bag / "bag_0.db3").write_bytes(b"")
    assert times(bag) == recorded(3)


def write_mcap(path, count, break_up=1, schemas=True, **options):
    """An MCAP file with an image a chunk, written by mcap's own writer."""
    types = bag_types.types()
    sent = images(count)
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=break_up, **options)
        writer.start("ros2")
        schema = writer.register_schema(IMAGE, "ros2msg", b"") if schemas else 0
        channel = writer.register_channel(IMAGES, "cdr", schema)
        for index, (_, message) in enumerate(sent):
            data = bytes(types.serialize_cdr(message, IMAGE))
            writer.add_message(channel, recorded(1, index)[0], data, recorded(1, index)[0])
        writer.finish()
    return path


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


def split(folder, storage, counts, metadata=True):
    """A bag in files of so many images each."""
    folder.mkdir()
    suffix = {"mcap": ".mcap", "sqlite3": ".db3"}[storage]
    first = 0
    for index, count in enumerate(counts):
        part = bags.write(folder.parent / f"part{index}", images(first + count)[first:], storage)
        shutil.move(bags.storage_file(part), folder / f"bag_{index}{suffix}")
        first += count
    names = [f"bag_{index}{suffix}" for index in range(len(counts))]
    if metadata:
        text = f"""
            rosbag2_bagfile_information:
              version: 8
              storage_identifier: {storage}
              relative_file_paths: {names}
              message_count: {sum(counts)}
              topics_with_message_count:
                - topic_metadata: {{name: {IMAGES}, type: {IMAGE}, serialization_format: cdr}}
                  message_count: {sum(counts)}
              files: {[{"path": name, "message_count": count} for name, count in zip(names, counts)]}
            """
        (folder / "metadata.yaml").write_text(text)
    return folder


@pytest.mark.parametrize("storage", STORAGES)
def test_of_a_bag_without_one_of_its_files_the_others_are_read_and_the_number_missing_is_told(
    tmp_path, caplog, storage
):
    bag = split(tmp_path / "bag", storage, (3, 3, 2))
    (gone,) = bag.glob("bag_1.*")
    gone.unlink()
    assert times(bag) == recorded(3) + recorded(2, 6)
    assert f"{gone.name} is missing, with 3 messages" in caplog.text
    assert f"3 of 8 messages on {IMAGES} are missing or damaged" in caplog.text


def test_files_may_be_compressed_or_decompressed_since_the_metadata_were_written(tmp_path, caplog):
    bag = split(tmp_path / "bag", "mcap", (2, 2, 2))
    plain = bag / "bag_0.mcap"
    (bag / "bag_0.mcap.zstd").write_bytes(zstandard.compress(plain.read_bytes()))
    plain.unlink()
    text = (bag / "metadata.yaml").read_text()
    (bag / "metadata.yaml").write_text(text.replace("bag_2.mcap", "bag_2.mcap.zstd"))
    assert times(bag) == recorded(6)
    assert not caplog.text


def test_files_that_were_renamed_are_read_and_strangers_are_not(tmp_path, caplog):
    bag = split(tmp_path / "bag", "mcap", (3,))
    (bag / "bag_0.mcap").rename(bag / "drive.mcap")
    assert times(bag) == recorded(3)
    assert "bag_0.mcap, which it names, cannot be found" in caplog.text
    shutil.copy(bag / "drive.mcap", bag / "bag_0.mcap")
    assert times(bag) == recorded(3)
    assert "drive.mcap is not read, as metadata.yaml does not name it" in caplog.text


def numbered(folder, numbers, suffix=".db3"):
    """A bag without metadata of such files, each with the images 0 and 1."""
    whole = bags.storage_file(bags.write(folder / "whole", images(2), "sqlite3"))
    bag = folder / "bag"
    bag.mkdir()
    for number in numbers:
        shutil.copy(whole, bag / f"bag_{number}{suffix}")
    return bag


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ([0, 1, 2], ""),
        ([1, 3, 10], "bag_0.db3, bag_2.db3, bag_4.db3, bag_5.db3, bag_6.db3 and 3 more is missing, by the numbers"),
        ([20261124, 20261126], ""),  # days
    ],
)
def test_of_files_without_metadata_a_gap_in_their_numbers_is_told(tmp_path, caplog, numbers, told):
    assert len(times(numbered(tmp_path, numbers))) == 2 * len(numbers)
    assert told in caplog.text and bool(caplog.text) == bool(told)


def test_files_of_several_names_are_read_as_one_bag_which_is_told(tmp_path, caplog):
    bag = numbered(tmp_path, [0, 1])
    (bag / "bag_1.db3").rename(bag / "other_1.db3")
    assert len(times(bag)) == 4
    assert "bag_0.db3, other_1.db3 are read as one bag, one after the other" in caplog.text


def test_metadata_that_name_no_file_are_told_and_the_files_are_read(tmp_path, caplog):
    bag = split(tmp_path / "bag", "mcap", (2,))
    text = (bag / "metadata.yaml").read_text()
    (bag / "metadata.yaml").write_text(text.replace("['bag_0.mcap']", "[]"))
    assert times(bag) == recorded(2)
    assert "the files beside metadata.yaml are read, as it names none" in caplog.text


@pytest.mark.parametrize(("suffix", "told"), [(".DB3", ""), (".db3.part", "bag_0.db3.part is read, though not named")])
def test_files_that_are_named_in_another_way_are_read(tmp_path, caplog, suffix, told):
    bag = numbered(tmp_path, [0], suffix)
    (bag / "notes.txt").write_text("on the day")
    assert len(times(bag)) == 2
    assert told in caplog.text and bool(caplog.text) == bool(told)


def test_a_bag_may_be_named_by_its_metadata_and_damaged_metadata_are_told(tmp_path, caplog):
    bag = split(tmp_path / "bag", "mcap", (2, 2))
    assert times(bag / "metadata.yaml") == recorded(4)
    assert not caplog.text
    (bag / "metadata.yaml").write_text("rosbag2_bagfile_information:\n  version: 8\n")
    assert times(bag) == recorded(4)
    assert "metadata.yaml is damaged (no 'relative_file_paths'): the files beside it are read" in caplog.text


def compressed(path, mode, storage="mcap"):
    types = bag_types.types()
    writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
    writer.set_compression(CompressionMode[mode], CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection(IMAGES, IMAGE, typestore=types)
        for index, (_, message) in enumerate(images(5)):
            writer.write(connection, recorded(1, index)[0], types.serialize_cdr(message, IMAGE))
    return path


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("mode", ["FILE", "MESSAGE"])
def test_compressed_bags_need_no_metadata_and_may_be_named_by_a_file(tmp_path, caplog, mode, storage):
    bag = compressed(tmp_path / "bag", mode, storage)
    (file,) = (file for file in bag.iterdir() if file.name != "metadata.yaml")
    for whole in (bag, file):
        with BagReader(whole) as reader:
            assert reader.storage == storage
            for (_, _, data), (_, message) in zip(reader.messages({IMAGES}), images(5), strict=True):
                assert bag_types.types().deserialize_cdr(data, IMAGE).header == message.header
    (bag / "metadata.yaml").unlink()
    assert times(bag) == recorded(5)
    assert not caplog.text


def test_a_compressed_file_that_is_cut_off_is_read_up_to_the_cut(tmp_path, caplog):
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8)
    whole = bags.write(tmp_path / "in", [bags.image(index, pixels) for index, pixels in enumerate(noise)])
    packed = zstandard.compress(bags.storage_file(whole).read_bytes())
    file = write_file(tmp_path / "cut.mcap.zst", packed[: len(packed) * 3 // 4])
    read = times(file)
    assert read == recorded(len(read))
    assert 8 < len(read) < 16
    assert "cut.mcap.zst is damaged" in caplog.text
    with pytest.raises(SourceError, match=r"cannot read .*cut.mcap.zst: it is empty, or cut off or damaged before"):
        times(write_file(file, packed[:6]))


def test_a_file_beside_its_own_compressed_form_is_read_once(tmp_path):
    bag = tmp_path / "bag"
    bag.mkdir()
    file = write_mcap(bag / "bag_0.mcap", 3)
    (bag / "bag_0.mcap.zstd").write_bytes(zstandard.compress(file.read_bytes()))
    assert times(bag) == recorded(3)


@pytest.mark.parametrize("name", ["run#2", "run?x", "run%41", "my run", "ünï"])
@pytest.mark.parametrize("storage", STORAGES)
def test_any_name_is_written_and_read(tmp_path, caplog, name, storage):
    bags.write(tmp_path / "source", images(3), storage)
    with BagReader(tmp_path / "source") as source:
        writer = BagWriter(tmp_path / name, storage, {IMAGES: IMAGE})
        for _, at, data in source.messages({IMAGES}):
            writer.add(at, {IMAGES: bag_types.types().deserialize_cdr(data, IMAGE)})
        writer.close()
    assert {path.name for path in tmp_path.iterdir()} == {"source", name}
    file = bags.storage_file(tmp_path / name)
    shutil.copy(bags.storage_file(bags.write(tmp_path / "other", images(1), storage)), file.with_name("run"))
    assert times(tmp_path / name) == times(file) == recorded(3)
    assert not caplog.text


@pytest.mark.parametrize(
    ("recorded_as", "now"),
    [
        (("sensor_msgs/Image", "cdr"), IMAGE),
        (("sensor_msgs/msg/Image", "cdr"), IMAGE),
        # ROS 1 messages in MCAP: the same name, other bytes
        (("sensor_msgs/Image", "ros1"), "sensor_msgs/Image serialized as ros1"),
        (("foxglove.RawImage", "protobuf"), "foxglove.RawImage serialized as protobuf"),
    ],
)
def test_types_are_named_as_today(recorded_as, now):
    assert type_name(*recorded_as) == now


def test_types_named_as_in_2018_are_read(tmp_path):
    source = bags.write(tmp_path / "in", images(2), "sqlite3")
    with sqlite3.connect(bags.storage_file(source)) as connection:
        connection.execute("UPDATE topics SET type = 'sensor_msgs/Image'")
    (source / "metadata.yaml").unlink()
    with BagReader(source) as bag:
        assert bag.topics[IMAGES].type == IMAGE
        assert len(list(bag.messages({IMAGES}))) == 2


def write_file(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda folder: folder / "nowhere", "there is no "),
        (lambda folder: folder, "which has none"),
        (lambda folder: write_file(folder / "video.mp4", b"no"), "neither MCAP nor SQLite3: it begins with b'no'"),
        (lambda folder: write_file(folder / "bag.mcap", b""), "bag.mcap is empty"),
        (lambda folder: write_file(folder / "bag.db3", b"").parent, "bag.db3 is empty"),
        (lambda folder: write_file(folder / "bag.mcap", LFS), "is a git-lfs pointer, not the file itself"),
        (lambda folder: write_file(folder / "bag.mcap", LFS).parent, "is a git-lfs pointer, not the file"),
        (lambda folder: write_file(folder / "old.bag", b"#ROSBAG V2.0\n"), "is one of ROS 1: rosbags-convert --src"),
        (lambda folder: write_file(folder / "old.bag", b"#ROSBAG V2.0\n").parent, "with bags of ROS 1"),
        (lambda folder: write_file(folder / "run1/a.mcap", b"").parents[1], "run1' in it is one"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_bag_is_named(tmp_path, make, complaint):
    with pytest.raises(SourceError, match=r"expected a ROS 2 bag, a folder with \.mcap or \.db3 files") as error:
        BagReader(make(tmp_path))
    assert complaint in str(error.value)


def test_of_several_files_one_that_is_a_pointer_is_left_out_and_told(tmp_path, caplog):
    bag = split(tmp_path / "bag", "mcap", (2, 2))
    (bag / "bag_1.mcap").write_bytes(LFS)
    assert times(bag) == recorded(2)
    assert "git-lfs pointer" in caplog.text
    assert "2 of 4 messages" in caplog.text


CASES = [
    ("wal_killed_recorder/bag", 8, ""),
    ("wal_killed_recorder/bag_all_in_wal", 8, ""),
    ("mcap_optional_records/partial_message_index", 8, ""),
    ("mcap_optional_records/no_message_index", 8, ""),
    ("mcap_optional_records/no_repeated_channels", 8, ""),
    ("mcap_optional_records/no_repeated_schemas", 8, ""),
    ("split_file_missing/bag", 5, "bag_1.mcap is missing, with 3 messages"),
    ("zstd_without_metadata/file_mode_killed", 8, ""),
    ("zstd_without_metadata/message_mode_killed", 8, ""),
    ("zstd_without_metadata/file_mode/file_mode.mcap.zstd", 8, ""),
    ("zstd_without_metadata/message_mode/message_mode.db3", 8, ""),
    ("hash_in_name/run#2.db3", 4, ""),
    ("hash_in_name/run%413.db3", 4, ""),
    ("old_type_names/crystal.db3", 8, ""),
]


@pytest.mark.parametrize(("name", "count", "told"), CASES, ids=[name for name, _, _ in CASES])
def test_recordings_that_went_wrong_are_read(shared_folder, caplog, name, count, told):
    path = shared_folder / "cases" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    with BagReader(path) as bag:
        (topic,) = (topic for topic in bag.topics.values() if topic.type == IMAGE)
        read = list(bag.messages({topic.name}))
    assert len(read) == count
    first = bag_types.types().deserialize_cdr(read[0][2], IMAGE)
    assert first.height * first.step == len(first.data)
    assert told in caplog.text
    assert bool(caplog.text) == bool(told)


@pytest.mark.parametrize("name", ["bag", "four"])
def test_a_t265_s_camera_gives_poses(shared_folder, tmp_path, name):
    path = shared_folder / "cases/fisheye_five_coefficients" / name
    if not path.exists():
        pytest.skip(f"no {path}")
    prompts = ["--point", "25,30", "--preset", "grabcut"]
    assert cli.main(["bag", str(path), str(tmp_path / "out"), *prompts]) == 0
    poses = [message.poses for _, message in bags.read(tmp_path / "out")["/sampt/object_poses"]]
    assert [len(found) for found in poses] == [1] * 8
    first = poses[0][0].position
    np.testing.assert_allclose([first.x, first.y, first.z], [-0.121, 0, 0.8], atol=0.002)


def test_times_before_1970_are_written_where_the_format_has_them(tmp_path):
    _, message = images(1)[0]
    for storage in STORAGES:
        writer = BagWriter(tmp_path / storage, storage, {IMAGES: IMAGE})
        if storage == "mcap":
            with pytest.raises(
                SourceError, match="MCAP holds no time before 1970, such as -5 s; --storage sqlite3 does"
            ):
                writer.add(-5 * 10**9, {IMAGES: message})
        else:
            writer.add(-5 * 10**9, {IMAGES: message})
        writer.close()
    assert times(tmp_path / "sqlite3") == [-5 * 10**9]
