"""A session that is reset."""

from __future__ import annotations

import pytest
from fakes import blank
from session_stream import MS, SessionStream, stepped

from sampt_ros.errors import QueryError


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
