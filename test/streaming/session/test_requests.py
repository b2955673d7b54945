"""What is asked of a session, and its answers."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import SIDE
from session_stream import SessionStream

from sampt_ros.data_types import POSITIVE
from sampt_ros.errors import QueryError
from sampt_ros.streaming.requests import Action, Request


def test_answers_say_what_was_done(stream):
    assert stream.start() == f"started object 1: TRACKING, {SIDE**2} px, score 1.00"
    assert stream.start(21, 20, object_id=1).startswith("corrected object 1: TRACKING")
    assert stream.start(40, 30, object_id=1, action=Action.REPLACE).startswith("started object 1")
    assert stream.session.answer(Request(Action.REMOVE, 1)).text == "object 1 removed"
    assert stream.ids == []


def test_a_removed_object_is_no_longer_in_the_newest_result(stream):
    stream.start()
    stream.start(40, 30)
    stream.step()
    stream.session.answer(Request(Action.REMOVE, 1))
    assert [item.id for item in stream.session.newest.objects] == [2]
    assert set(np.unique(stream.session.newest.labels)) == {0, 2}


def test_a_box_or_mask_corrects_nothing(stream):
    stream.start()
    for prompt in ({"box": (10.0, 10.0, 20.0, 20.0)}, {"mask": np.ones((48, 64), bool)}):
        with pytest.raises(QueryError, match="expected only points for an object that is tracked; use REPLACE"):
            stream.session.answer(Request(object_id=1, **prompt))


def test_only_tracked_objects_are_corrected(stream):
    stream.start()
    with pytest.raises(QueryError, match=r"a tracked one \(1\); got 7; REPLACE starts an object under an id"):
        stream.start(object_id=7)


def test_a_program_may_choose_the_id_of_a_new_object(stream):
    stream.start(40, 30, object_id=7, action=Action.REPLACE)
    stream.start()
    assert stream.ids == [7, 8]


def test_before_the_first_frame_nothing_can_be_asked():
    stream = SessionStream()
    for ask in (stream.start, lambda: stream.session.click((20, 20), POSITIVE), lambda: stream.session.size):
        with pytest.raises(QueryError, match="expected an image before the first query"):
            ask()
