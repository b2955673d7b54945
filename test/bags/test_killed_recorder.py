"""SQLite3 bags of a recorder that was killed: the newest images are in the log beside the file alone."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys

import bags
import pytest
from bags import images, recorded, times

KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA wal_autocheckpoint=0")
connection.executescript(sys.stdin.read())
connection.commit()
os._exit(0)  # the log is not written back
"""


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
