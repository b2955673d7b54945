from __future__ import annotations

import numpy as np
import pytest
from fakes import blank

from sampt_ros.io.image_files import write_image
from sampt_ros.io.video import FrameSource, VideoFile, open_source
from sampt_ros.io.video_writer import video_writer
from sampt_ros.streaming.offline.reversed_frames import reversed_frames

FRAME = 3 * 48 * 64  # bytes


class Numbered(FrameSource):
    """So many images, each full of its number, and a count of those that are held at a time."""

    size = (48, 64)

    def __init__(self, length):
        self.length = length
        self.read = []

    def __iter__(self):
        for number in range(self.length):
            self.read.append(number)
            yield blank() + np.uint8(number)


@pytest.mark.parametrize("frames", [1, 3, 4, 100])  # that fit into memory
def test_frames_come_backwards_from_the_last_one_to_the_first(frames):
    source = Numbered(20)
    found = list(reversed_frames(source, last=9, memory=frames * FRAME))
    assert [number for number, _ in found] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert all((image == number).all() for number, image in found)


def test_no_more_frames_are_read_ahead_than_fit_into_memory():
    source = Numbered(20)
    frames = reversed_frames(source, last=9, memory=4 * FRAME)
    for number in (9, 8, 7, 6):
        assert next(frames)[0] == number
    assert source.read == [*range(10), 10]  # and one more, to see that it is too late
    next(frames)
    assert source.read[11:] == [*range(7)]


def test_a_last_frame_beyond_the_end_means_all_frames():
    assert [number for number, _ in reversed_frames(Numbered(3), last=9)] == [2, 1, 0]


def test_a_video_is_read_backwards_exactly(tmp_path):
    video = video_writer(tmp_path / "video.mp4", 10, (48, 64))
    for number in range(12):
        video.write(blank() + np.uint8(20 * number))
    video.close()
    source = VideoFile(tmp_path / "video.mp4")
    forwards = list(source.numbered())[:11]
    backwards = list(reversed_frames(source, last=10, memory=4 * FRAME))
    assert [number for number, _ in backwards] == list(range(10, -1, -1))
    for (number, image), (same, expected) in zip(backwards, reversed(forwards)):
        assert number == same
        np.testing.assert_array_equal(image, expected)


def test_unreadable_images_keep_their_numbers(tmp_path):
    for number in range(4):
        write_image(tmp_path / f"{number}.png", blank())
    (tmp_path / "1.png").write_text("no image")
    assert [number for number, _ in reversed_frames(open_source(str(tmp_path)), 3, 2 * FRAME)] == [3, 2, 0]
