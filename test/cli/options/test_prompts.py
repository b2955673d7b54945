"""What the command line says of the objects to track."""

from __future__ import annotations

import os

import numpy as np
import pytest
from fakes import blank

from sampt_ros.cli.options.prompts import parse_starts, require_meant, starts_in_order
from sampt_ros.errors import QueryError, SamPtError
from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels
from sampt_ros.streaming.requests import ObjectStart


@pytest.fixture
def label_image(tmp_path):
    labels = np.zeros((48, 64), np.uint8)
    labels[5:15, 5:15], labels[25:35, 25:35] = 3, 7
    write_labels(tmp_path / "labels.png", labels)
    return str(tmp_path / "labels.png")


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


@pytest.mark.parametrize(
    ("points", "boxes", "masks", "complaint"),
    [
        ([], [], [], "at least one --point, --box, --mask, --reference or --query-points"),
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


def test_prompts_lie_in_the_frame_of_the_last_start_before_them(label_image):
    prompts = [("point", "1,2"), ("start", 120), ("point", "3,4,1,2"), ("box", "1,2,3,4,2"), ("start", 7)]
    starts = starts_in_order([*prompts, ("mask", f"{label_image},9"), ("start", 0), ("point", "5,6,0")])
    assert {name: start.frame for name, start in starts.items()} == {1: 0, 2: 120, 9: 7}
    assert starts[1] == ObjectStart([(1, 2), (5, 6)], [1, 0])
    assert starts[2] == ObjectStart([(3, 4)], [1], [1, 2, 3, 4], frame=120)


def test_an_object_starts_in_one_frame_alone():
    with pytest.raises(SamPtError, match=r"all prompts of object 1 in one frame; got some in 0 and in 120; .* X,Y,1,2"):
        starts_in_order([("point", "1,2"), ("start", 120), ("point", "3,4")])


def test_a_reference_is_looked_for_from_its_frame_on(label_image, tmp_path):
    write_image(tmp_path / "cup.png", blank())
    prompts = [("start", 4), ("reference", str(tmp_path / "cup.png")), ("reference_mask", f"{label_image},1")]
    assert starts_in_order(prompts)[1].frame == 4


def test_a_folder_of_masks_starts_objects_where_they_first_appear(tmp_path):
    for index, names in {"00000": [3], "00005": [3, 7]}.items():
        labels = np.zeros((48, 64), np.uint8)
        for name in names:
            labels[name : name + 4, 5:15] = name
        write_labels(tmp_path / f"{index}.png", labels)
    starts = starts_in_order([("point", "1,2"), ("masks", tmp_path)])
    assert {name: start.frame for name, start in starts.items()} == {1: 0, 3: 0, 7: 5}
    named = starts_in_order([("masks", tmp_path)], ["00000", "00003", "00005"])
    assert {name: start.frame for name, start in named.items()} == {3: 0, 7: 2}
    with pytest.raises(SamPtError, match="one mask per object; got a second one for object 3"):
        starts_in_order([("mask", str(tmp_path / "00000.png")), ("masks", tmp_path)])


def test_query_points_get_the_numbers_that_all_others_leave(tmp_path):
    (tmp_path / "points.txt").write_text("1\n3;1,2\n")
    starts = starts_in_order([("query_points", tmp_path / "points.txt"), ("start", 5), ("point", "3,4")])
    assert {name: start.frame for name, start in starts.items()} == {1: 5, 2: 3}


def test_a_start_without_a_prompt_is_nothing_to_track():
    with pytest.raises(SamPtError, match="at least one --point"):
        starts_in_order([("start", 5)])


@pytest.mark.parametrize(
    ("prompts", "complaint"),
    [
        ([("mask", "nowhere.png,2")], "--mask: expected a file; nowhere.png does not exist"),
        ([("query_points", "pipe")], "--query-points: expected a file; pipe is a pipe"),
        ([("masks", "pipe")], "--masks: expected a folder; pipe is a pipe"),
        ([("mask", "folder")], "--mask: expected a file; folder is none"),
        ([("start", 3), ("reference", "file"), ("start", 4), ("reference_mask", "file")], "got 0 for 1"),
        ([("reference", "s3://x/a.png"), ("mask", "s3://x/a.png,2")], "got 0 for 1"),
        ([("reference", "file"), ("reference_mask", "s3://x/a.png"), ("reference", "nowhere")], "nowhere does not"),
        ([("query_points", "s3://x/points.txt"), ("query_points", "file")], "expected query points in file"),
        ([("point", "1,2"), ("start", 3), ("point", "1,2")], "expected all prompts of object 1 in one frame"),
        ([("query_points", "file")], "expected query points in file"),
    ],
)
def test_what_cannot_be_meant_shows_before_an_image_is_read(tmp_path, monkeypatch, prompts, complaint):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")  # no image
    with pytest.raises(SamPtError, match=complaint):
        require_meant(prompts)
    require_meant([("mask", "file,2"), ("point", "1,2"), ("reference", "file"), ("reference_mask", "file,3")])


@pytest.mark.parametrize("files", [("s3://x/a.png", "file"), ("file", "s3://x/a.png,2"), ("s3://x/a", "s3://x/b")])
def test_prompts_at_an_address_are_counted_but_not_looked_up(tmp_path, monkeypatch, files):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    reference, mask = files
    require_meant([("reference", reference), ("reference_mask", mask), ("query_points", "s3://x/points.txt")])


def test_a_start_that_holds_for_nothing_is_refused():
    prompts = [("point", "5,6"), ("start", 150)]
    with pytest.raises(QueryError, match=r"expected the prompts that --start 150 holds for after it; got none"):
        starts_in_order(prompts)
    assert [start.frame for start in starts_in_order(prompts[::-1]).values()] == [150]
