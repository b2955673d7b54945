"""The order of images by their names."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import texture

from sampt_ros.io.image_files import write_image
from sampt_ros.io.video import open_source
from sampt_ros.io.video.file_order import in_order, other_order


def files(stems):
    return [Path(f"{stem}.png") for stem in stems]


@pytest.mark.parametrize(
    "stems",
    [
        # Decimals: seconds as Python writes them, with another number before the point, at intervals of a quarter,
        [f"{number * 0.1}" for number in range(24)],
        ["0.033", "0.067", "0.1", "0.133", "12.5"],
        ["0.0", "0.25", "0.5", "0.75", "1.0"],
        # after a text that may have numbers, too,
        ["cam0_frame-1.05", "cam0_frame-1.5", "cam0_frame-10.25"],
        # and of seconds since 1970.
        ["1700000000.0096343", "1700000000.049996", "1700000000.22982"],
        # Counts: of frames, and of nanoseconds, whose last digit may be 0,
        ["1.1", "1.9", "1.10", "1.11", "2.1"],
        ["1.1", "1.99", "1.100"],
        ["12.5", "12.33333333", "12.66666660", "12.100000000"],
        ["1700000000.963431", "1700000000.49996001", "1700000000.229820001"],
        # of frames, whose zeros before it are outgrown,
        [f"1.{number:02d}" for number in range(1, 103)],
        [f"scene_2.{number:04d}" for number in range(9998, 10003)],
        # and of versions.
        ["1.2.9", "1.2.11"],
        # All with as many decimals, or another text before: there is only one order.
        ["0.09", "0.10", "0.11", "10.00"],
        ["a1.9", "a1.11", "b1.1"],
    ],
)
def test_names_tell_whether_decimals_or_a_count_follow_the_point(stems):
    assert in_order(files(reversed(stems))) == files(stems)
    assert other_order(files(stems)) is None


@pytest.mark.parametrize(
    ("stems", "swapped"),
    [
        (["1.1", "1.9", "1.11"], ("1.9.png", "1.11.png")),
        (["1.05", "1.20", "1.130"], ("1.20.png", "1.130.png")),
        (["1.125", "1.2", "1.7"], ("1.125.png", "1.2.png")),
        (["3.5", "3.7", "3.12345678"], ("3.5.png", "3.12345678.png")),  # decimals, or nanoseconds
    ],
)
def test_where_names_do_not_tell_two_are_named_whose_order_is_in_doubt(tmp_path, caplog, stems, swapped):
    assert in_order(files(reversed(stems))) == files(stems)
    assert other_order(files(stems)) == swapped
    for path in files(stems):
        write_image(tmp_path / path, texture(24, 32))
    assert open_source(str(tmp_path)).names == stems
    assert "{} is taken to come before {}".format(*swapped) in caplog.text
