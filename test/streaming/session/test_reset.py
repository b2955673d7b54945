"""A session that is reset."""

from __future__ import annotations

import pytest
from fakes import blank
from session_stream import MS, SessionStream, stepped

from sampt_ros.errors import FrameError, QueryError


def test_reset_begins_anew():
    stream, fresh = SessionStream(), SessionStream()
    stream.step()
    stream.start()
    stream.step(12)
    stream.session.reset()
    assert stream.ids == []
    # an older stamp and another size are welcome
    results = []
    for one in (stream, fresh):
        stepped(one.session, 5, blank(30, 40))
        one.start()
        result, _ = stepped(one.session, 6, blank(30, 40))
        results.append((result.index, result.objects[0].id, result.objects[0].points.xy.tolist()))
    assert results[0] == results[1]


def test_until_the_next_image_a_query_refers_to_those_before_the_reset():
    stream = SessionStream()
    stream.step(3)
    stream.start()
    stream.session.reset()
    assert stream.session.has_images
    assert stream.session.newest is None
    assert stream.start().startswith("started object 1")
    stream.session.reset()
    # The object was there two images ago, and has moved by two pixels since.
    assert stream.start(20, stamp_ns=stream.now - 300 * MS).startswith("started object 1")
    assert stream.x() == 23
    with pytest.raises(QueryError, match="expected the stamp of an image kept"):
        stream.start(stamp_ns=stream.now - 10_000 * MS)


def test_a_click_right_after_a_reset_starts_an_object():
    stream = SessionStream()
    stream.step()
    stream.start()
    stream.session.reset()
    assert stream.session.click((20, 20), 1).text.startswith("started object 1")


def test_after_the_next_image_those_before_the_reset_are_forgotten():
    stream = SessionStream()
    stream.step(3)
    stream.session.reset()
    stepped(stream.session, 5, blank(30, 40))
    assert stream.session.size == (30, 40)
    with pytest.raises(QueryError, match="expected the stamp of an image kept"):
        stream.start(stamp_ns=3)


def test_before_the_first_image_a_reset_changes_nothing():
    stream = SessionStream()
    stream.session.reset()
    with pytest.raises(QueryError, match="expected an image before the first query"):
        stream.start()


def test_a_second_reset_does_not_forget_the_images():
    stream = SessionStream()
    stream.step(3)
    stream.session.reset()
    stream.session.reset()
    assert stream.start().startswith("started object 1")
    stream.session.reset()
    assert stream.start().startswith("started object 1")


def test_an_image_that_cannot_be_computed_after_a_reset_is_tried_again(monkeypatch):
    stream = SessionStream()
    stream.step(2)
    stream.session.reset()
    with monkeypatch.context() as failing:
        failing.setattr(stream.session.sam_pt, "step", lambda image: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stream.start()
    assert stream.session.has_images
    assert stream.start().startswith("started object 1")


def test_after_a_reset_and_a_query_the_stream_goes_on_as_before():
    stream = SessionStream()
    stream.step(3)
    stream.session.reset()
    stream.start()
    with pytest.raises(FrameError, match="older"):
        stream.session.observe(stream.now - 250 * MS, blank())
    stream.step()
    assert stream.ids == [1]


def test_images_that_were_only_skipped_cannot_be_asked_about():
    stream = SessionStream()
    stream.skip()
    stream.session.reset()
    assert not stream.session.has_images
    with pytest.raises(QueryError, match="expected an image before the first query"):
        stream.start()
