"""The files that `sampt track` writes."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank
from streams import follow

from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import FrameResult
from sampt_ros.errors import FrameError, SourceError
from sampt_ros.io.image_files import read_image
from sampt_ros.io.label_images import read_labels
from sampt_ros.io.masks import read_first_masks
from sampt_ros.io.result_folder import ResultFolder
from sampt_ros.io.video import VideoFile
from sampt_ros.io.video_writer import video_writer
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_recording_has_all_files(sam_pt, tmp_path):
    with ResultFolder(tmp_path / "out", fps=10) as recorder:
        for image, result in follow(sam_pt, [blank()] * 4, parse_starts(["20,20", "40,30,1,2"], [], [])):
            recorder.add(image, result)
    assert recorder.frames == 4
    assert {path.name for path in recorder.folder.iterdir()} == set(ResultFolder.WRITTEN)
    assert [path.name for path in sorted((tmp_path / "out/labels").iterdir())] == [f"0000{i}.png" for i in range(4)]
    np.testing.assert_array_equal(read_labels(tmp_path / "out/labels/00003.png"), result.labels)
    video = VideoFile(tmp_path / "out/overlay.mp4")
    assert (len(list(video)), video.size, video.fps) == (4, (48, 64), 10)
    assert read_image(tmp_path / "out/contact_sheet.png").shape[1] == 1920


def test_the_tables_say_what_the_results_say(sam_pt, tmp_path):
    with ResultFolder(tmp_path, fps=10) as recorder:
        for image, result in follow(sam_pt, [blank()] * 2, parse_starts(["20,20"], [], [])):
            recorder.add(image, result)
    item = result.objects[0]
    points = [row for row in rows(tmp_path / "tracks.csv") if row["frame"] == "1"]
    assert [float(row["x"]) for row in points] == pytest.approx(item.points.xy[:, 0].tolist(), abs=0.01)
    assert [int(row["point"]) for row in points] == item.points.id.tolist()
    assert {row["visible"] for row in points} == {"1"}
    last = rows(tmp_path / "objects.csv")[-1]
    assert (last["frame"], last["seconds"], last["object"]) == ("1", "0.1000", "1")
    assert (last["state"], int(last["area"])) == ("TRACKING", item.area)
    assert {row["seconds"] for row in points} == {"0.1000"}
    assert tuple(int(last[name]) for name in ("x", "y", "width", "height")) == item.box


@pytest.mark.parametrize("ids", [(7, 255), (300,), (255, 300)])
def test_ids_over_254_are_written_with_16_bits_and_read_back_as_masks(sam_pt, tmp_path, ids, caplog):
    starts = parse_starts([f"{20 + 20 * place},20,1,{name}" for place, name in enumerate(ids)], [], [])
    with ResultFolder(tmp_path, fps=10) as recorder:
        for image, result in follow(sam_pt, [blank()], starts):
            recorder.add(image, result)
    assert read_labels(tmp_path / "labels/00000.png").dtype == np.uint16
    masks = {name: mask for name, (_, mask) in read_first_masks(tmp_path / "labels").items()}
    assert set(masks) == set(ids)
    for name in ids:
        np.testing.assert_array_equal(masks[name], result.labels == name)
    assert not caplog.records


def test_an_id_that_label_images_cannot_say_is_named_once(sam_pt, tmp_path, caplog):
    with ResultFolder(tmp_path, fps=10) as recorder:
        for image, result in follow(sam_pt, [blank()] * 3, parse_starts(["20,20,1,65535"], [], [])):
            recorder.add(image, result)
    assert [record.message for record in caplog.records] == [
        "object 65535: in label images this number is read as void; choose a lower one"
    ]


def test_what_is_written_before_an_error_is_usable_and_older_files_are_gone(sam_pt, tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/00099.png").write_text("of an earlier run")
    frames = follow(sam_pt, [blank(), blank(), *[blank(30, 30)] * 5], parse_starts(["20,20"], [], []))
    with (
        pytest.raises(FrameError, match="frame 6: the images are now 30x30, no longer 64x48"),
        ResultFolder(tmp_path, fps=10) as recorder,
    ):
        for image, result in frames:
            recorder.add(image, result)
    assert len(list(VideoFile(tmp_path / "overlay.mp4"))) == 2
    assert len(rows(tmp_path / "objects.csv")) == 2
    assert (tmp_path / "contact_sheet.png").is_file()
    assert not (tmp_path / "labels/00099.png").exists()


def test_where_a_table_cannot_be_written_each_frame_says_so(sam_pt, tmp_path):
    (tmp_path / "objects.csv").mkdir()
    image, result = next(follow(sam_pt, [blank()], parse_starts(["20,20"], [], [])))
    with ResultFolder(tmp_path, fps=10) as recorder:
        for _ in range(2):
            with pytest.raises(SourceError, match=r"cannot write to .*: Is a directory"):
                recorder.add(image, result)


def test_a_video_that_cannot_be_opened_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(cv2.VideoWriter, "isOpened", lambda writer: False)
    with pytest.raises(SourceError, match="no MPEG-4 encoder for 64x48"):
        video_writer(tmp_path / "overlay.mp4", 10, (48, 64))
    assert not list(tmp_path.iterdir())


def test_where_no_video_can_be_made_an_earlier_run_stays(sam_pt, tmp_path):
    size = (48, 64)
    earlier = ("labels/00099.png", "tracks.csv", "objects.csv", "overlay.mp4", "contact_sheet.png")
    (tmp_path / "labels").mkdir()
    for name in earlier:
        (tmp_path / name).write_text("of an earlier run")
    frames = follow(sam_pt, [blank(*size)], parse_starts(["20,20"], [], []))
    with (
        pytest.raises(SourceError, match=r"overlay\.mp4: expected 0\.002 to 65535 frames per second"),
        ResultFolder(tmp_path, fps=0.0001) as recorder,
    ):
        recorder.add(*next(frames))
    assert {(tmp_path / name).read_text() for name in earlier} == {"of an earlier run"}


def test_labels_of_images_that_are_larger_than_a_video_can_be_have_their_size(tmp_path, caplog):
    size = (16, 8200)
    with ResultFolder(tmp_path, fps=10) as recorder:
        recorder.add(blank(*size), FrameResult(0, size))
    assert read_labels(tmp_path / "labels/00000.png").shape == size
    assert VideoFile(tmp_path / "overlay.mp4").size == (16, 8190)
    assert "overlay.mp4 is 8190x16, scaled down" in caplog.text


def test_nothing_is_touched_before_the_first_frame(tmp_path):
    with ResultFolder(tmp_path / "out", fps=10):
        pass
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_reported(sam_pt, tmp_path):
    (tmp_path / "file").write_text("")
    image, result = next(follow(sam_pt, [blank()], parse_starts(["20,20"], [], [])))
    with pytest.raises(SourceError, match="cannot write"), ResultFolder(tmp_path / "file", fps=10) as recorder:
        recorder.add(image, result)
