"""Bags that cannot be written to the end: what was stored before stays, and the rest is reported."""

from __future__ import annotations

import errno
import signal
import sqlite3
from pathlib import Path

import bags
import pytest
import yaml
from bags import IMAGES, images
from command_line import run

from sampt_ros.bags import types as bag_types
from sampt_ros.bags import writer as bag_writer
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.types import IMAGE
from sampt_ros.bags.writer import BagWriter
from sampt_ros.errors import SourceError

_PAGE = 4096  # bytes of SQLite's pages


@pytest.fixture
def small_disk(monkeypatch):
    """A function that lets no SQLite file that is written grow beyond so many bytes."""

    def allow(most: int) -> None:
        opened = bag_writer._SqliteWriter.__init__

        def open_limited(self, path: Path, compression) -> None:
            opened(self, path, compression)
            self.conn.execute(f"PRAGMA max_page_count = {most // _PAGE}")

        monkeypatch.setattr(bag_writer._SqliteWriter, "__init__", open_limited)

    return allow


def written(folder: Path, commit_every: float, monkeypatch) -> BagWriter:
    """A writer that was given ten images, and failed."""
    monkeypatch.setattr(bag_writer, "_COMMIT_EVERY", commit_every)
    writer = BagWriter(folder / "out", "sqlite3", {IMAGES: IMAGE})
    bags.write(folder / "source", images(10), "sqlite3")
    with BagReader(folder / "source") as source:
        messages = [(at, bag_types.types().deserialize_cdr(data, IMAGE)) for _, at, data in source.messages({IMAGES})]
    with pytest.raises(SourceError, match="disk is full"):
        for at, message in messages:
            writer.add(at, {IMAGES: message})
    at, message = messages[0]
    with pytest.raises(SourceError, match="disk is full"):  # nothing is added after a gap
        writer.add(at, {IMAGES: message})
    return writer


def in_file(bag: Path) -> int:
    with sqlite3.connect(next(bag.glob("*.db3"))) as connection:
        (count,) = connection.execute("SELECT count(*) FROM messages").fetchone()
    return int(count)


def test_what_was_stored_before_the_disk_was_full_stays(tmp_path, small_disk, monkeypatch):
    small_disk(120_000)  # Each image takes 9 kB and more.
    writer = written(tmp_path, 0.0, monkeypatch)
    writer.close()
    assert 3 <= writer.stored < 10
    assert in_file(tmp_path / "out") == writer.stored
    metadata = yaml.safe_load((tmp_path / "out/metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert metadata["message_count"] == writer.stored
    with BagReader(tmp_path / "out") as bag:
        assert len(list(bag.messages({IMAGES}))) == writer.stored


def test_what_was_not_stored_is_not_counted(tmp_path, small_disk, monkeypatch):
    small_disk(120_000)
    writer = written(tmp_path, 3600.0, monkeypatch)
    writer.close()
    assert writer.stored == in_file(tmp_path / "out") == 0


def test_the_command_says_how_many_images_could_not_be_stored(fakes, tmp_path, small_disk, capsys, monkeypatch):
    monkeypatch.setattr(bag_writer, "_COMMIT_EVERY", 3600.0)
    small_disk(200_000)
    source = bags.write(tmp_path / "source", images(30), "sqlite3")
    assert run("bag", source, tmp_path / "out", "--point", "20,20") == 2
    said = capsys.readouterr()
    assert "could not be stored" in said.out
    assert "disk is full" in said.err


def written_until_full(folder: Path, monkeypatch, most: int) -> BagWriter:
    """A writer of MCAP, of which the file system takes so many bytes."""
    monkeypatch.setattr(bag_writer, "_COMMIT_EVERY", 0.0)
    writer = BagWriter(folder / "out", "mcap", {IMAGES: IMAGE})
    bags.write(folder / "source", images(10), "mcap")
    storage = writer._writer.storage
    file = storage.bio

    class Limited:
        def __getattr__(self, name):
            return getattr(file, name)

        def write(self, data) -> int:
            if file.tell() + len(data) > most:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(file.write(data))

    storage.bio = Limited()
    with BagReader(folder / "source") as source, pytest.raises(SourceError, match="No space left"):
        for _, at, data in source.messages({IMAGES}):
            writer.add(at, {IMAGES: bag_types.types().deserialize_cdr(data, IMAGE)})
    return writer


def test_of_an_mcap_file_no_more_is_counted_than_can_be_read(tmp_path, monkeypatch):
    writer = written_until_full(tmp_path, monkeypatch, 60_000)
    with pytest.raises(SourceError, match="No space left"):
        writer.close()
    assert 3 <= writer.stored < 10
    writer._writer.storage.bio.flush()
    with BagReader(tmp_path / "out") as bag:
        assert len(list(bag.messages({IMAGES}))) == writer.stored


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize(("interrupted", "expected"), [("write", 3), ("close", 2)])
def test_an_interrupt_loses_nothing(tmp_path, monkeypatch, interruptible, storage, interrupted, expected):
    bags.write(tmp_path / "source", images(3), storage)
    writer = BagWriter(tmp_path / "out", storage, {IMAGES: IMAGE})
    with BagReader(tmp_path / "source") as source:
        messages = [(at, bag_types.types().deserialize_cdr(data, IMAGE)) for _, at, data in source.messages({IMAGES})]
    for at, message in messages[:2]:
        writer.add(at, {IMAGES: message})
    actual = getattr(writer._writer, interrupted)

    def interrupt(*arguments) -> None:
        signal.raise_signal(signal.SIGINT)
        actual(*arguments)

    with monkeypatch.context() as interrupting, pytest.raises(KeyboardInterrupt):
        interrupting.setattr(writer._writer, interrupted, interrupt)
        if interrupted == "write":
            writer.add(messages[2][0], {IMAGES: messages[2][1]})
        else:
            writer.close()
    if interrupted == "write":
        writer.close()
    assert writer.stored == expected
    with BagReader(tmp_path / "out") as bag:
        assert len(list(bag.messages({IMAGES}))) == expected
