"""What fails is dropped, counted and told; faults are not called bad images."""

from __future__ import annotations

import pytest
from streams import ListLog

from sampt_ros.errors import FrameError, QueryError
from sampt_ros.streaming.failures import Failures
from sampt_ros.streaming.statistics import StreamStatistics


@pytest.fixture
def log():
    return ListLog()


@pytest.fixture
def failures(log):
    return Failures(StreamStatistics(), log)


def test_what_is_done_is_neither_counted_nor_told(failures, log):
    with failures.frame() as attempt:
        pass
    assert (attempt.error, attempt.reason) == (None, "")
    assert failures.statistics["frames_rejected"] == 0
    assert not any(log.told.values())


def test_an_expected_error_is_told_as_a_warning_with_its_trace_at_debug_level(failures, log):
    with failures.query("the click is refused") as attempt:
        raise QueryError("expected a pixel inside the image")
    assert attempt.reason == "expected a pixel inside the image"
    assert log.told["warning"] == ["the click is refused: expected a pixel inside the image"]
    assert "raise QueryError" in log.told["debug"][0]
    assert log.told["error"] == []


def test_each_refused_query_is_told_and_dropped_frames_may_repeat(failures, log):
    for _ in range(2):
        with failures.query():
            raise QueryError("no")
        with failures.frame():
            raise FrameError("no")
    assert len(log.told["warning"]) == 2
    assert len(log.told["repeated"]) == 2
    assert (failures.statistics["queries_refused"], failures.statistics["frames_rejected"]) == (2, 2)


@pytest.mark.parametrize("error", [TypeError("no length"), RuntimeError("out of order"), AssertionError("x")])
def test_a_fault_is_told_as_an_error_with_its_trace(failures, log, error):
    with failures.frame("the image is dropped") as attempt:
        raise error
    assert attempt.error is error
    assert attempt.reason == f"{type(error).__name__}: {error}"
    (told,) = log.told["error"]
    assert told.startswith("the image is dropped, because of a fault:\nTraceback")
    assert log.told["warning"] == log.told["repeated"] == []


def test_an_interruption_is_no_failure(failures):
    with pytest.raises(KeyboardInterrupt), failures.frame():
        raise KeyboardInterrupt
    assert failures.statistics["frames_rejected"] == 0
