"""Bags with unusual names, types and times, and recordings that went wrong."""

from __future__ import annotations

import shutil
import sqlite3

import bags
import numpy as np
import pytest
from bags import IMAGES, STORAGES, images, recorded, times

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.storage import type_name
from sampt_ros.bags.types import IMAGE
from sampt_ros.bags.writer import BagWriter
from sampt_ros.cli import main as cli
from sampt_ros.errors import SourceError


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
