from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.errors import SourceError
from sampt_ros.io.query_points import read_query_points


def saved(folder, text):
    (folder / "points.txt").write_text(text)
    return folder / "points.txt"


def test_positive_points_come_first_and_the_rest_is_negative(tmp_path):
    first, second = read_query_points(saved(tmp_path, "1\n0 ;  10,20   30.5,40\n\n4;1,2 3,4 5,6\n"))
    assert (first.frame, second.frame) == (0, 4)
    np.testing.assert_array_equal(first.xy, np.float32([[10, 20], [30.5, 40]]))
    assert first.labels.tolist() == [1, 0]
    assert second.labels.tolist() == [1, 0, 0]


def test_objects_get_the_numbers_that_are_free(tmp_path):
    starts = parse_starts(["9,9,1,2"], [], [], query_points=[saved(tmp_path, "2\n0;1,2 3,4\n0;5,6 7,8 9,0\n")])
    assert {name: (start.points, start.labels) for name, start in starts.items()} == {
        2: ([(9, 9)], [1]),
        1: ([(1, 2), (3, 4)], [1, 1]),
        3: ([(5, 6), (7, 8), (9, 0)], [1, 1, 0]),
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "its first line is ''"),
        ("0;1,2\n", "its first line is '0;1,2'"),
        ("3\n", "got no object"),
        ("1\n0:1,2\n", "line 2; got '0:1,2'"),
        ("1\n0;1,2\n\n0;1,2,3\n", "line 4; got '0;1,2,3'"),
        ("1\n-1;1,2\n", "line 2; got '-1;1,2'"),
        ("1\n0;nan,2\n", "line 2; got '0;nan,2'"),
        ("2\n0;1,2\n", "at least 2 points, as the first line says, in .* line 2; got 1"),
    ],
)
def test_what_is_no_such_file_is_named_with_its_line(tmp_path, text, complaint):
    with pytest.raises(SourceError, match=complaint):
        read_query_points(saved(tmp_path, text))


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        read_query_points(tmp_path / "nowhere.txt")
    (tmp_path / "video.mp4").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="it is no text"):
        read_query_points(tmp_path / "video.mp4")


def test_objects_start_in_the_frames_that_the_file_says(tmp_path):
    starts = parse_starts([], [], [], query_points=[saved(tmp_path, "1\n0;1,2\n4;1,2\n")], frame=9)
    assert {name: start.frame for name, start in starts.items()} == {1: 0, 2: 4}


def test_a_pipe_is_read_whole():
    reading, writing = os.pipe()
    with os.fdopen(reading), os.fdopen(writing, "w") as file:
        file.write("1\n3;1,2\n")
        file.close()
        (line,) = read_query_points(Path(f"/dev/fd/{reading}"))
    assert line.frame == 3
