"""The stream's last frames."""

import numpy as np
import pytest
from fakes import blank

from sampt_ros.errors import FrameError, QueryError
from sampt_ros.tracking.frame_buffer import FrameBuffer


def filled(count, length=3):
    buffer = FrameBuffer(length)
    for _ in range(count):
        buffer.append(buffer.next_frame(blank()))
    return buffer


def test_only_the_last_frames_are_kept():
    assert [frame.index for frame in filled(5)] == [2, 3, 4]


def test_a_frame_counts_only_once_it_is_appended():
    buffer = filled(1)
    assert [buffer.next_frame(blank()).index for _ in range(2)] == [1, 1]
    assert buffer.newest.index == 0


@pytest.mark.parametrize("image", [blank(40, 64), np.zeros((48, 64), np.uint8), None])
def test_an_odd_image_is_refused(image):
    with pytest.raises(FrameError):
        filled(1).next_frame(image)


def test_past_images_end_with_the_newest_frame_and_have_indices_of_their_own():
    buffer = filled(2)
    first, second = buffer.since([blank(), blank()]), buffer.since([blank()])
    assert [frame.index for frame in first + second] == [-2, -1, 1, -3, 1]
    assert first[-1] is buffer.newest


@pytest.mark.parametrize("frames, expected", [(0, "got none yet"), (1, "past images of 64x48; got 64x40")])
def test_past_images_need_a_newest_frame_of_their_size(frames, expected):
    with pytest.raises(QueryError, match=expected):
        filled(frames).since([blank(40, 64)])


def test_after_a_reset_it_is_as_new():
    buffer = filled(2)
    buffer.since([blank()])
    buffer.reset()
    assert len(buffer) == 0
    buffer.append(buffer.next_frame(blank(40, 64)))
    assert [frame.index for frame in buffer.since([blank(40, 64)])] == [-1, 0]
