"""Bags that are whole, damaged, or in several files."""

from __future__ import annotations

import sqlite3
import struct
from contextlib import closing

import bags
import pytest
from bags import DELAY, IMAGES, PERIOD, START, images

from sampt_ros.bags.reader import BagReader, Topic
from sampt_ros.bags.topics import Inputs
from sampt_ros.bags.types import IMAGE

STORAGES = ("mcap", "sqlite3")


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("whole", [True, False], ids=["bag", "file"])
def test_a_truncated_bag_is_read_up_to_the_damage(tmp_path, caplog, storage, whole):
    source = bags.write(tmp_path / "in", images(500), storage)
    file = bags.storage_file(source)
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size * 2 // 3)
    with BagReader(source if whole else file) as bag:
        assert set(bag.topics) == {IMAGES}
        times = [time for _, time, _ in bag.messages({IMAGES})]
    assert 200 < len(times) < 340
    assert bag.last_ns is None or bag.last_ns >= times[-1]
    assert times == [START + index * PERIOD + DELAY for index in range(len(times))]
    assert f"{file.name} is damaged (" in caplog.text
    if whole:  # metadata.yaml says how many there were
        assert f"in: {500 - len(times)} of 500 messages on {IMAGES} are missing or damaged" in caplog.text


@pytest.mark.parametrize("storage", STORAGES)
def test_a_bag_without_its_metadata_is_read_whole(tmp_path, caplog, storage):
    source = bags.write(tmp_path / "in", images(5), storage)
    (source / "metadata.yaml").unlink()
    with BagReader(source) as bag:
        assert len(list(bag.messages({IMAGES}))) == 5
    assert not caplog.text


@pytest.mark.parametrize("storage", STORAGES)
def test_of_several_files_the_damaged_one_is_read_up_to_the_damage(tmp_path, storage):
    source = bags.write(tmp_path / "in", images(300), storage)
    whole = bags.storage_file(source)
    cut = whole.with_name(f"in_10{whole.suffix}")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    whole.rename(whole.with_name(f"in_9{whole.suffix}"))
    (source / "metadata.yaml").unlink()
    with BagReader(source) as bag:
        times = [time for _, time, _ in bag.messages({IMAGES})]
    assert 400 < len(times) < 510
    assert times[:300] == sorted(set(times))


@pytest.mark.parametrize("storage", STORAGES)
def test_damage_in_the_middle_costs_what_is_damaged(tmp_path, caplog, storage):
    source = bags.write(tmp_path / "in", images(500), storage)
    file = bags.storage_file(source)
    with file.open("r+b") as stream:
        stream.seek(file.stat().st_size // 2)
        stream.write(b"\xff" * 50_000)
    with BagReader(source) as bag:
        read = len(list(bag.messages({IMAGES})))
    # a chunk of MCAP is 1 MB, of 114 images; of a SQLite3 file the damaged images alone are lost
    assert {"mcap": 370, "sqlite3": 490}[storage] < read < 500
    assert "is damaged (" in caplog.text
    assert f"{500 - read} of 500 messages on {IMAGES} are missing or damaged" in caplog.text


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("UPDATE topics SET name = X'00FF'", 0),
        ("UPDATE topics SET type = X'00FF'", 0),
        ("UPDATE messages SET data = 'text' WHERE id = 2", 4),
        ("UPDATE messages SET timestamp = 'noon' WHERE id = 2", 4),
    ],
)
def test_columns_of_another_type_cost_what_is_in_them(tmp_path, caplog, statement, left):
    source = bags.write(tmp_path / "in", images(5), "sqlite3")
    with closing(sqlite3.connect(bags.storage_file(source))) as connection, connection:
        connection.execute(statement)
    with BagReader(source) as bag:
        assert len(list(bag.messages({IMAGES}))) == left
    assert "is damaged (" in caplog.text
    assert f"{5 - left} of 5 messages on {IMAGES} are missing or damaged" in caplog.text


@pytest.mark.parametrize("name", ["messages", "timestamp_idx"])
def test_pages_that_refer_to_themselves_are_not_read_for_ever(tmp_path, caplog, name):
    source = bags.write(tmp_path / "in", images(2000 if name == "timestamp_idx" else 500), "sqlite3")
    file = bags.storage_file(source)
    with closing(sqlite3.connect(file)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(file.read_bytes())
    start = (page - 1) * size
    assert content[start] in (2, 5)  # A page of cells that each begin with the number of another page.
    (cells,) = struct.unpack_from(">H", content, start + 3)
    for place in struct.unpack_from(f">{cells}H", content, start + 12):
        struct.pack_into(">I", content, start + place, page)
    file.write_bytes(content)
    with BagReader(source) as bag:
        times = [time for _, time, _ in bag.messages({IMAGES})]
    assert len(times) == len(set(times))
    assert "is damaged (" in caplog.text


def test_names_that_a_bag_lacks_yield_nothing(tmp_path):
    with BagReader(bags.write(tmp_path / "in", images(2))) as bag:
        assert list(bag.messages(Inputs(Topic("/other", IMAGE, 0)).names)) == []
