"""What comes of references, and how their senders learn it."""

from __future__ import annotations

import pytest

pytest.importorskip("sampt_ros.msg", reason="the messages are not built: run make setup", exc_type=ImportError)

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from sampt_ros.errors import QueryError
from sampt_ros.ros.viewing.reference_answers import ReferenceAnswers, answer_key, attempt_from_value
from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.requests import Answer


def stamped(sec: int, nanosec: int = 0) -> Header:
    return Header(stamp=Time(sec=sec, nanosec=nanosec))


def test_an_answer_is_found_by_the_stamp_of_its_reference():
    answers = ReferenceAnswers()
    answers.add(stamped(5, 7), Attempt(answer=Answer("object 3: searched for")))
    answers.add(stamped(5, 8), Attempt(QueryError("expected a mask"), "expected a mask"))
    accepted, refused = (attempt_from_value(answers.values()[answer_key(stamped(5, ns))]) for ns in (7, 8))
    assert accepted.error is None and accepted.answer.text == "object 3: searched for"
    assert isinstance(refused.error, QueryError) and refused.reason == "expected a mask" and refused.answer is None


def test_a_reference_without_a_stamp_has_no_answer():
    answers = ReferenceAnswers()
    answers.add(stamped(0), Attempt(answer=Answer("object 3: searched for")))
    assert answers.values() == {}


def test_only_the_newest_answers_are_kept():
    answers = ReferenceAnswers()
    for sec in (1, *range(2, 18), 2, 18):
        answers.add(stamped(sec), Attempt(answer=Answer("object 3: searched for")))
    assert list(answers.values()) == [answer_key(stamped(sec)) for sec in (*range(4, 18), 2, 18)]
