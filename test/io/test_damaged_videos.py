"""Videos of which frames are damaged or missing: the others keep their numbers."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic import texture
from videos import encoded, unreadable

from sampt_ros.io.video import open_source
from sampt_ros.io.video.frame_source import FrameNumbers
from sampt_ros.io.video.pyav_file import PyavFile
from sampt_ros.io.video_writer import video_writer


def test_frames_that_are_missing_are_told(tmp_path, caplog, monkeypatch):
    writer = video_writer(tmp_path / "clip.mp4", 10, (24, 32))
    for _ in range(50):
        writer.write(texture(24, 32))
    writer.close()
    source = open_source(str(tmp_path / "clip.mp4"))
    assert len(list(source)) == 50
    assert not caplog.text
    readable = source._readable
    monkeypatch.setattr(source, "_readable", lambda *arguments: itertools.islice(readable(*arguments), 48))
    assert len(list(source)) == 48
    assert "clip.mp4: 48 of the 50 frames that it claims could be read" in caplog.text


@pytest.mark.parametrize("opencv", [True, False])
@pytest.mark.parametrize("rate", ["steady", "varies"])
def test_a_video_without_a_count_of_its_frames_is_whole_if_they_reach_its_end(
    tmp_path, pyav, caplog, monkeypatch, rate, opencv
):
    noise = list(np.random.default_rng(0).integers(0, 255, (12, 48, 64, 3), np.uint8))
    times = None if rate == "steady" else [0, 0.1, 0.2, 0.9, 1.0, 1.05, 1.1, 3.0, 3.1, 3.2, 3.3, 3.4]
    path = encoded(tmp_path / "clip.mkv", noise, times, codec="ffv1")
    if not opencv:
        unreadable(monkeypatch)
    assert len(list(open_source(str(path)))) == 12
    assert not caplog.text
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert 3 < len(list(open_source(str(path)))) < 8
    assert re.search(
        r"clip\.mkv: (frames could be read up to \d\.\d+ s of the |\d frames could be read; )", caplog.text
    )


def test_pyav_numbers_the_frames_after_a_damaged_first_one(tmp_path, pyav):
    noise = list(np.random.default_rng(0).integers(0, 255, (5, 48, 64, 3), np.uint8))
    path = encoded(tmp_path / "clip.mov", noise, codec="png", pixels="rgb24")
    content = bytearray(path.read_bytes())
    first = content.index(b"\x89PNG")
    content[first : first + 500] = bytes(500)
    path.write_bytes(content)
    source = PyavFile(path)
    for number, image in source.numbered():
        np.testing.assert_array_equal(image, noise[number])
    assert [number for number, _ in source.numbered()] == [1, 2, 3, 4]


def numbers_of(*events):
    """Numbers of frames at 10 a second, of their times (None: unknown) and the word "damaged" where one is."""
    numbers = FrameNumbers(10)
    return [numbers.report_damaged() if event == "damaged" else numbers.of_next(event) for event in events]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ((0, 0.1, "damaged", 0.3), [0, 1, None, 3]),
        ((0, 0.1, "damaged", 0.2, 0.3, 0.5), [0, 1, None, 2, 3, 5]),  # The decoder held two frames back.
        (("damaged", 0.1, 0.2), [None, 1, 2]),
        ((None, None, "damaged", None), [0, 1, None, 3]),  # without times
        ((0, 0.1, 0.2, "damaged", 0.9, 1.0), [0, 1, 2, None, 9, 10]),  # Others depended on the damaged one.
        ((0, 0.1, 0.7, "damaged", 1.9), [0, 1, 2, None, 4]),  # At irregular times, it may have been a pause.
        ((0, 1.0, 2.0, "damaged", 3.0, 5.0), [0, 1, 2, None, 3, 5]),  # The file claims another rate.
        ((0, 0.1, 0.9, 1.0), [0, 1, 2, 3]),  # Frames at irregular times are counted.
    ],
)
def test_times_tell_which_frames_are_missing(events, expected):
    assert numbers_of(*events) == expected


@pytest.mark.parametrize(
    ("times", "told"),
    [
        (np.arange(100) / 10, ""),
        (
            np.r_[0:3:0.1, 6.9:9.95:0.1],
            "clip.mkv: 61 of the 100 frames that it claims could be read; there are gaps of up to",
        ),
        (np.cumsum(np.tile([0.1, 0.3], 25)) - 0.1, ""),  # a variable rate
        (np.arange(50) / 10, "clip.mkv: frames could be read up to 5.000 s of the 10.000 s that it claims"),
    ],
)
def test_missing_frames_are_told_where_a_header_gives_the_duration_alone(caplog, times, told):
    numbers = FrameNumbers(10)
    for seconds in times:
        numbers.of_next(seconds)
    numbers.warn_of_missing(Path("clip.mkv"), 100)
    assert told in caplog.text
    assert bool(caplog.text) == bool(told)


@pytest.mark.parametrize("damaged", [(4,), (4, 5, 6), (0,)])
def test_frames_that_are_damaged_are_skipped_and_the_others_keep_their_numbers(tmp_path, caplog, damaged):
    file = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 24))
    for number in range(12):
        writer.write(np.full((24, 32, 3), 20 * number, np.uint8))
    writer.release()
    content = bytearray(file.read_bytes())
    jpegs = [place.start() for place in re.finditer(b"\xff\xd8\xff", content)]
    for number in damaged:
        content[jpegs[number] : jpegs[number] + 200] = bytes(200)
    file.write_bytes(content)
    left = [number for number in range(12) if number not in damaged]
    with open_source(str(file)) as source:
        for first in (0, 5):
            frames = list(source.numbered(first))
            assert [number for number, _ in frames] == [number for number in left if number >= first]
            for number, image in frames:
                assert abs(float(image.mean()) - 20 * number) < 3
            assert source.skipped == len(damaged)
    assert f"clip.avi: frames that cannot be decoded: {len(damaged)}; skipped" in caplog.text


def test_what_is_damaged_in_a_video_costs_itself(tmp_path, pyav, caplog, monkeypatch):
    noise = list(np.random.default_rng(0).integers(0, 255, (10, 48, 64, 3), np.uint8))
    path = encoded(tmp_path / "clip.avi", noise, codec="png", pixels="rgb24")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 500] = bytes(500)
    path.write_bytes(content)
    unreadable(monkeypatch)
    source = open_source(str(path))
    frames = dict(source.numbered())
    assert len(frames) == 9
    (missing,) = set(range(10)) - set(frames)
    assert 3 <= missing <= 6  # What is damaged lies in the middle.
    for number, image in frames.items():
        np.testing.assert_array_equal(image, noise[number])
        assert source.seconds(number) == pytest.approx(number / 10, abs=1e-3)
    assert source.skipped == 1
    assert "clip.avi: 9 frames could be read; 1 are damaged" in caplog.text
    path.write_bytes(content[: len(content) // 3])
    caplog.clear()
    assert len(list(open_source(str(path)))) in (2, 3)
    assert "clip.avi: " in caplog.text


class _EmptyAt:
    """A capture that says of frame 3 that it is read, and gives none, as OpenCV does of some damaged ones."""

    def __init__(self, capture: cv2.VideoCapture, empty: np.ndarray | None) -> None:
        self._capture, self._number, self._empty = capture, -1, empty

    def __getattr__(self, name: str):
        return getattr(self._capture, name)

    def grab(self) -> bool:
        self._number += 1
        return self._capture.grab()

    def retrieve(self):
        return (True, self._empty) if self._number == 3 else self._capture.retrieve()


@pytest.mark.parametrize("empty", [None, np.zeros((0, 0, 3), np.uint8)], ids=["None", "empty"])
def test_a_frame_that_opencv_gives_empty_is_skipped_and_counted(tmp_path, monkeypatch, caplog, empty):
    from sampt_ros.io.video import opencv_sources

    writer = video_writer(tmp_path / "clip.mp4", 10, (24, 32))
    for _ in range(8):
        writer.write(texture(24, 32))
    writer.close()
    source = open_source(str(tmp_path / "clip.mp4"))
    capture = opencv_sources._Capture
    monkeypatch.setattr(opencv_sources, "_Capture", lambda path: _EmptyAt(capture(path), empty))
    assert [number for number, _ in source.numbered()] == [0, 1, 2, 4, 5, 6, 7]
    assert source.skipped == 1
    assert "frames that cannot be decoded: 1; skipped" in caplog.text
