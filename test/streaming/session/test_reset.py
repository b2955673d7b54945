"""A session that is reset."""

from __future__ import annotations

import pytest
from fakes import blank
from session_stream import SessionStream, stepped

from sampt_ros.errors import QueryError


def test_reset_begins_anew():
    stream, fresh = SessionStream(), SessionStream()
    stream.step()
    stream.start()
    stream.step(12)
    stream.session.reset()
    assert stream.ids == []
    with pytest.raises(QueryError, match="expected an image before the first query"):
        stream.start()
    # an older stamp and another size are welcome
    results = []
    for one in (stream, fresh):
        stepped(one.session, 5, blank(30, 40))
        one.start()
        result, _ = stepped(one.session, 6, blank(30, 40))
        results.append((result.index, result.objects[0].id, result.objects[0].points.xy.tolist()))
    assert results[0] == results[1]
