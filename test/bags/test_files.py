"""Bags whose files are missing, renamed, compressed or decompressed, or lack their metadata, and what is no bag."""

from __future__ import annotations

import shutil

import bags
import numpy as np
import pytest
import zstandard
from bags import IMAGES, STORAGES, images, recorded, times, write_mcap
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.types import IMAGE
from sampt_ros.errors import SourceError


def write_file(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


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
