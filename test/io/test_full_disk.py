"""Results of `sampt track` for which there is no room: what is there is complete, and what is not is named."""

from __future__ import annotations

import csv
import errno
from pathlib import Path

import numpy as np
import pytest

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.io import label_images, result_folder
from sampt_ros.io.result_folder import ResultFolder
from sampt_ros.io.video_writer import video_writer

IMAGE = np.zeros((24, 32, 3), np.uint8)
MASK = LocalMask.of(np.eye(24, 32, dtype=bool))


def result(index: int) -> FrameResult:
    item = ObjectResult(1, ObjectState.TRACKING, 0.9, MASK, Points.none())
    return FrameResult(index, (24, 32), (item,))


class Full:
    """A file for half of whose content there is room."""

    def __init__(self, file) -> None:
        self._file = file

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *error) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def room_for_labels(monkeypatch):
    """A function that leaves room for so many label images, and half of another one."""

    def leave(count: int) -> None:
        opened = Path.open
        written: list[Path] = []

        def open_(self, mode="r", *arguments, **options):
            file = opened(self, mode, *arguments, **options)
            if self.parent.name != "labels" or mode != "wb":
                return file
            written.append(self)
            return Full(file) if len(written) > count else file

        monkeypatch.setattr(Path, "open", open_)

    return leave


def test_tables_and_labels_are_complete_up_to_where_the_disk_was_full(tmp_path, room_for_labels):
    room_for_labels(3)
    with (
        pytest.raises(SourceError, match=r"cannot write .*00003\.png: No space left"),
        ResultFolder(tmp_path, 10) as folder,
    ):
        for index in range(5):
            folder.add(IMAGE, result(index))
            rows = list(csv.reader((tmp_path / "objects.csv").open()))
            assert [row[0] for row in rows[1:]] == [str(each) for each in range(index + 1)]  # already on the disk
    assert sorted(path.name for path in (tmp_path / "labels").iterdir()) == ["00000.png", "00001.png", "00002.png"]
    assert (tmp_path / "contact_sheet.png").exists()


def test_all_that_could_not_be_completed_is_named(tmp_path, room_for_labels, monkeypatch):
    room_for_labels(2)

    def full(path: Path, image: np.ndarray) -> None:
        raise SourceError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(result_folder, "write_image", full)
    with pytest.raises(SourceError, match=r"00002\.png.*; .*contact_sheet\.png"), ResultFolder(tmp_path, 10) as folder:
        for index in range(5):
            folder.add(IMAGE, result(index))


def test_another_error_is_not_hidden_by_one_of_completing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(result_folder, "write_image", lambda path, image: (_ for _ in ()).throw(SourceError("no room")))
    with pytest.raises(ZeroDivisionError), ResultFolder(tmp_path, 10) as folder:
        folder.add(IMAGE, result(0))
        _ = 1 / 0
    assert "no room" in caplog.text


def test_a_video_without_its_end_is_reported(tmp_path):
    writer = video_writer(tmp_path / "overlay.mp4", 10, (24, 32))
    for _ in range(5):
        writer.write(IMAGE)
    writer._writer.release()
    (tmp_path / "overlay.mp4").write_bytes(b"\0" * 100)  # as a full disk leaves it
    with pytest.raises(SourceError, match=r"cannot write .*overlay\.mp4: it is not complete"):
        writer.close()


def test_a_file_that_may_not_be_written_is_left_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "mask.png"
    path.write_bytes(b"mine")

    def refuse(*arguments, **options) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match="Permission denied"):
        label_images.write_labels(path, np.zeros((4, 4), np.uint8))
    monkeypatch.undo()
    assert path.read_bytes() == b"mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full is missing, which takes nothing")
@pytest.mark.parametrize("points", [1, 2000])  # within the file's buffer, and beyond it
def test_a_table_for_which_there_is_no_room_is_named(tmp_path, points):
    many = Points.start(np.arange(points), np.zeros((points, 2)), np.ones(points))
    item = ObjectResult(1, ObjectState.TRACKING, 0.9, MASK, many)
    with (
        pytest.raises(SourceError, match=r"cannot write .*tracks\.csv: No space left"),
        Path("/dev/full").open("w") as full,
        ResultFolder(tmp_path, 10) as folder,
    ):
        folder.add(IMAGE, result(0))
        folder._tracks._file, folder._tracks._writer = full, csv.writer(full)
        folder.add(IMAGE, FrameResult(1, (24, 32), (item,)))
