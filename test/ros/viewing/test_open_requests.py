"""Requests without an answer are not kept for ever."""

from __future__ import annotations

from sampt_ros.ros.viewing.open_requests import OpenRequests


def test_a_request_is_taken_once():
    requests = OpenRequests(3)
    told: list = []
    assert requests.add("a", told.append) == []
    taken = requests.take("a")
    assert taken is not None and taken.tell == told.append
    assert requests.take("a") is None


def test_only_the_newest_are_kept_and_the_others_are_returned():
    requests = OpenRequests(3)
    dropped = [request.key for name in "abcde" for request in requests.add(name, lambda attempt: None)]
    assert dropped == ["a", "b"]
    assert len(requests) == 3 and requests.take("a") is None and requests.take("c") is not None


def test_those_that_wait_too_long_are_taken():
    now = [0.0]
    requests = OpenRequests(3, lambda: now[0])
    requests.add("a", lambda attempt: None)
    now[0] = 2.0
    requests.add("b", lambda attempt: None)
    now[0] = 4.0
    assert [request.key for request in requests.take_older(3.0)] == ["a"]
    assert requests.take_older(3.0) == [] and len(requests) == 1
