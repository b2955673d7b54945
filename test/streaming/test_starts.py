from __future__ import annotations

import csv
from unittest.mock import Mock

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.cli.prompts import parse_starts
from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import ObjectState
from sampt_ros.errors import QueryError, SamPtError, SourceError
from sampt_ros.io.label_images import read_labels, write_labels
from sampt_ros.io.result_folder import Recorder
from sampt_ros.io.video import VideoFile, read_image, write_image
from sampt_ros.streaming.starts import ObjectStart, track
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())


@pytest.fixture
def label_image(tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    labels[5:15, 5:15], labels[25:35, 25:35] = 3, 7
    write_labels(tmp_path / "labels.png", labels)
    return str(tmp_path / "labels.png")


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("points", "boxes", "starts"),
    [
        # a point alone
        (["3,4.5"], [], {1: ObjectStart([(3, 4.5)], [1])}),
        # points of one object, one of them off it
        (["3,4", "5,6,0"], [], {1: ObjectStart([(3, 4), (5, 6)], [1, 0])}),
        # objects by number
        (["3,4,1,2", "5,6,1,9"], [], {2: ObjectStart([(3, 4)], [1]), 9: ObjectStart([(5, 6)], [1])}),
        # boxes, one with a point
        (
            ["5,6,0,2"],
            ["1,2,3,4", "5,6,7,8,2"],
            {1: ObjectStart(box=[1, 2, 3, 4]), 2: ObjectStart([(5, 6)], [0], [5, 6, 7, 8])},
        ),
    ],
)
def test_prompts_are_gathered_by_object(points, boxes, starts):
    assert parse_starts(points, boxes, []) == starts


def test_a_label_image_starts_an_object_per_label(label_image):
    starts = parse_starts([], [], [label_image])
    assert {name: int(start.mask.sum()) for name, start in starts.items()} == {3: 100, 7: 100}


def test_a_label_image_with_an_object_is_one_mask(label_image):
    starts = parse_starts([], [], [f"{label_image},5"])
    assert {name: int(start.mask.sum()) for name, start in starts.items()} == {5: 200}


def test_a_reference_picture_brings_an_object_per_label_of_its_mask(label_image, tmp_path):
    write_image(tmp_path / "cup.png", blank() + np.uint8(9))
    starts = parse_starts([], [], [], [str(tmp_path / "cup.png")], [label_image])
    assert {name: int(start.mask.sum()) for name, start in starts.items()} == {3: 100, 7: 100}
    assert all((start.reference == 9).all() for start in starts.values())


def test_a_reference_needs_its_mask(label_image):
    with pytest.raises(SamPtError, match="a --reference-mask for each --reference; got 0 for 1"):
        parse_starts([], [], [], ["cup.png"])


def test_an_object_has_a_reference_or_prompts(sam_pt, label_image, tmp_path):
    write_image(tmp_path / "cup.png", blank())
    starts = parse_starts(["3,4,1,3"], [], [], [str(tmp_path / "cup.png")], [label_image])
    with pytest.raises(SamPtError, match="object 3 from a reference picture or from prompts; got both"):
        next(track(sam_pt, [blank()], starts))


def test_an_object_of_a_reference_is_lost_until_it_is_found(sam_pt, label_image, tmp_path):
    write_image(tmp_path / "cup.png", blank())
    starts = parse_starts([], [], [], [str(tmp_path / "cup.png")], [f"{label_image},5"])
    _, result = next(track(sam_pt, [blank()], starts))
    assert [(item.id, item.state) for item in result.objects] == [(5, ObjectState.LOST)]


@pytest.mark.parametrize(
    ("points", "boxes", "masks", "complaint"),
    [
        ([], [], [], "at least one --point, --box, --mask or --reference"),
        (["3"], [], [], r"expected x,y\[,label\]\[,object\]; got '3'"),
        (["3,4,1,1,1"], [], [], "expected x,y"),
        (["3,here"], [], [], "expected x,y"),
        # a label is no fraction
        (["3,4,0.5"], [], [], "expected x,y"),
        ([], ["1,2,3"], [], "expected x_min,y_min"),
        ([], ["1,2,3,4", "5,6,7,8"], [], "one box per object; got a second one for object 1"),
        ([], [], ["nowhere.png"], "cannot read nowhere.png"),
    ],
)
def test_bad_prompts_are_refused(points, boxes, masks, complaint):
    with pytest.raises(SamPtError, match=complaint):
        parse_starts(points, boxes, masks)


def test_the_first_frame_has_the_started_objects(sam_pt):
    results = [result for _, result in track(sam_pt, [blank()] * 3, parse_starts(["20,20", "40,30,1,4"], [], []))]
    assert [[item.id for item in result.objects] for result in results] == [[1, 4]] * 3
    assert all(item.state == ObjectState.TRACKING for result in results for item in result.objects)


def test_a_frame_without_memory_for_it_has_no_objects_and_keeps_its_number(sam_pt, monkeypatch, caplog):
    starts, move = parse_starts(["20,20"], [], []), sam_pt._points.tracker.update
    moves = iter([move, move, Mock(side_effect=MemoryError), move])
    monkeypatch.setattr(sam_pt._points.tracker, "update", lambda frame: next(moves)(frame))
    results = [result for _, result in track(sam_pt, [blank()] * 4, starts)]
    assert [result.index for result in results] == [0, 1, 2, 3]
    assert [len(result.objects) for result in results] == [1, 1, 0, 1]
    assert "frame 2 has no masks: out of memory" in caplog.text


def test_an_object_outside_the_image_is_refused(sam_pt):
    with pytest.raises(QueryError, match="inside the 64x48 image"):
        next(track(sam_pt, [blank()], parse_starts(["200,20"], [], [])))


def test_a_recording_has_all_files(sam_pt, tmp_path):
    with Recorder(tmp_path / "out", fps=10) as recorder:
        for image, result in track(sam_pt, [blank()] * 4, parse_starts(["20,20", "40,30,1,2"], [], [])):
            recorder.add(image, result)
    assert recorder.frames == 4
    assert [path.name for path in sorted((tmp_path / "out/labels").iterdir())] == [f"0000{i}.png" for i in range(4)]
    np.testing.assert_array_equal(read_labels(tmp_path / "out/labels/00003.png"), result.labels)
    video = VideoFile(tmp_path / "out/overlay.mp4")
    assert (len(list(video)), video.size, video.fps) == (4, (48, 64), 10)
    assert read_image(tmp_path / "out/contact_sheet.png").shape[1] == 1920


def test_the_tables_say_what_the_results_say(sam_pt, tmp_path):
    with Recorder(tmp_path, fps=10) as recorder:
        for image, result in track(sam_pt, [blank()] * 2, parse_starts(["20,20"], [], [])):
            recorder.add(image, result)
    item = result.objects[0]
    points = [row for row in rows(tmp_path / "tracks.csv") if row["frame"] == "1"]
    assert [float(row["x"]) for row in points] == pytest.approx(item.points.xy[:, 0].tolist(), abs=0.01)
    assert [int(row["point"]) for row in points] == item.points.id.tolist()
    assert {row["visible"] for row in points} == {"1"}
    last = rows(tmp_path / "objects.csv")[-1]
    assert (last["frame"], last["object"], last["state"], int(last["area"])) == ("1", "1", "TRACKING", item.area)
    assert tuple(int(last[name]) for name in ("x", "y", "width", "height")) == item.box


def test_ids_over_255_are_written_with_16_bits(sam_pt, tmp_path):
    with Recorder(tmp_path, fps=10) as recorder:
        for image, result in track(sam_pt, [blank()], parse_starts(["20,20,1,300"], [], [])):
            recorder.add(image, result)
    assert set(np.unique(read_labels(tmp_path / "labels/00000.png"))) == {0, 300}


def test_what_is_written_before_an_error_is_usable_and_older_files_are_gone(sam_pt, tmp_path):
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/00099.png").write_text("of an earlier run")
    frames = track(sam_pt, [blank(), blank(), blank(30, 30)], parse_starts(["20,20"], [], []))
    with pytest.raises(SamPtError, match="expected an image of 64x48"), Recorder(tmp_path, fps=10) as recorder:
        for image, result in frames:
            recorder.add(image, result)
    assert len(list(VideoFile(tmp_path / "overlay.mp4"))) == 2
    assert len(rows(tmp_path / "objects.csv")) == 2
    assert (tmp_path / "contact_sheet.png").is_file()
    assert not (tmp_path / "labels/00099.png").exists()


def test_nothing_is_touched_before_the_first_frame(tmp_path):
    with Recorder(tmp_path / "out", fps=10):
        pass
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_reported(sam_pt, tmp_path):
    (tmp_path / "file").write_text("")
    image, result = next(track(sam_pt, [blank()], parse_starts(["20,20"], [], [])))
    with pytest.raises(SourceError, match="cannot write"), Recorder(tmp_path / "file", fps=10) as recorder:
        recorder.add(image, result)
