"""Queries about images that are past, and the images that are kept for them."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import blank
from session_stream import MS, START, SessionStream, stepped

from sampt_ros.data_types import ObjectState
from sampt_ros.errors import FrameError, QueryError


@pytest.mark.parametrize("late", [0, 1, 3])
def test_a_late_query_catches_up(stream, late):
    named = stream.now
    stream.step(1 + late)
    stream.start(20, stamp_ns=named)
    assert stream.x() == 20 + late + 1


def test_between_two_frames_the_older_one_is_meant(stream):
    named = stream.now
    stream.step(3)
    stream.start(20, stamp_ns=named + 99 * MS)
    assert stream.x() == 20 + 2 + 1


def test_a_stamp_ahead_of_the_camera_means_the_newest_frame(stream):
    newest = stream.now - 100 * MS
    assert "newest image, 5.000 s older" in stream.start(20, stamp_ns=newest + 5000 * MS)
    assert stream.x() == 21
    assert "older" not in stream.start(30, stamp_ns=stream.now - 100 * MS)
    assert "older" not in stream.start(40)
    stream.skip()  # kept, but not tracked
    assert "newest image, 0.110 s older" in stream.start(50, stamp_ns=stream.now - 90 * MS)


def test_a_skipped_image_can_be_named(stream):
    named = stream.now
    stream.skip()
    stream.step()
    stream.start(20, stamp_ns=named)
    assert stream.x() == 20 + 1 + 1


def test_skipped_images_after_the_newest_frame_do_not_hide_it(stream):
    stream.skip()
    stream.start(20, stamp_ns=stream.now)
    assert stream.x() == 21


def test_a_late_point_corrects_an_object(stream):
    stream.start()
    named = stream.now
    stream.step(3)
    stream.start(30, stamp_ns=named, object_id=1)
    (item,) = stream.step().objects
    assert item.points.xy[1].tolist() == [30 + 2 + 1, 20]


@pytest.mark.parametrize(("history", "kept"), [(1.0, 11), (0.35, 4), (0.0, 1)])
def test_images_are_kept_for_so_many_seconds(history, kept):
    stream = SessionStream(history)
    stream.step(20)
    newest = stream.now - 100 * MS
    oldest = newest - (kept - 1) * 100 * MS
    stream.start(stamp_ns=oldest)
    with pytest.raises(QueryError, match=f"the stamp of an image kept, {oldest / 1e9:.3f} to {newest / 1e9:.3f}; got"):
        stream.start(stamp_ns=oldest - 1)


def test_a_damaged_image_in_the_history_refuses_the_query(stream):
    def damaged() -> np.ndarray:
        raise FrameError("expected 48 rows")

    stream.session.remember(stream.now, damaged)
    named, stream.now = stream.now, stream.now + 100 * MS
    stream.step()
    with pytest.raises(FrameError, match="expected 48 rows"):
        stream.start(stamp_ns=named)
    assert stream.ids == []


def test_a_camera_without_stamps():
    stream = SessionStream()
    for _ in range(3):
        stepped(stream.session, 0, blank())
    stream.session.remember(0, blank)  # does not take the place of the frame that was tracked
    stream.start()
    assert stepped(stream.session, 0, blank())[0].objects[0].points.xy[0].tolist() == [21, 20]


def test_a_click_after_a_failed_frame_is_about_that_frame(stream):
    stream.start(20)
    encode = stream.segmenter.encode
    stream.segmenter.encode = lambda frame: 1 / 0
    with pytest.raises(ZeroDivisionError):
        stepped(stream.session, stream.now, blank())
    stream.segmenter.encode = encode
    failed_at, stream.now = stream.now, stream.now + 100 * MS
    assert stream.session.newest_stamp_ns == failed_at
    assert [item.state for item in stream.session.newest.objects] == [ObjectState.UNCERTAIN]
    stream.start(40, 30, stamp_ns=failed_at)
    assert sorted(item.points.xy[0, 0] for item in stream.step().objects) == [22, 41]


def test_without_a_history_the_newest_image_alone_is_kept():
    stream = SessionStream(0.0)
    stream.now = 1_700_000_000_123_456_789  # which no float holds to the nanosecond
    stream.step(3)
    stream.start()
    assert stream.x() == 21


def test_images_of_a_long_history_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("sampt_ros.streaming.session.MAX_KEPT_BYTES", 4 * blank().nbytes)
    stream = SessionStream(30.0)
    stream.step(20)
    assert len(stream.session._kept) == 4


def test_skipped_images_that_are_larger_than_their_pixels_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("sampt_ros.streaming.session.MAX_KEPT_BYTES", 10 * blank().nbytes)
    stream = SessionStream(30.0)
    stream.step(2)
    for _ in range(20):  # messages of 16 bits and alpha; no image is tracked meanwhile
        stream.session.remember(stream.now, blank, 4 * blank().nbytes)
        stream.now += 100 * MS
    assert [kept.stepped for kept in stream.session._kept] == [True, False, False]
    stream.start()
    assert stream.x() == 21


@pytest.mark.parametrize("wild", [150, 5000], ids=["changed places", "wrong stamp"])
def test_a_skipped_image_that_is_ahead_disturbs_nothing(stream, wild):
    named = stream.now
    stream.step(3)
    stream.session.remember(stream.now + wild * MS, blank)
    between = stream.now
    stream.skip()
    stream.step()
    stream.start(20, stamp_ns=named)
    assert stream.x() == 20 + 4
    stream.step()
    stream.start(10, stamp_ns=between)
    assert stream.x() == 10 + 4
    assert all(kept.stamp_ns < stream.now for kept in stream.session._kept)


def test_a_skipped_image_of_another_size_is_not_one_of_the_stream(stream):
    named = stream.now
    stream.skip()
    other = stream.now
    stream.session.remember(other, lambda: blank(60, 80))
    stream.now += 100 * MS
    stream.step()
    stream.start(20, stamp_ns=other)  # means the one before it
    assert stream.x() == 20 + 2
    assert [kept.stamp_ns for kept in stream.session._kept][1:3] == [named, other + 100 * MS]


def test_images_that_come_before_any_is_tracked_do_not_fill_the_memory():
    session = SessionStream().session
    for index in range(2000):
        session.remember(START + index * MS, blank)
    assert len(session._kept) == 64
