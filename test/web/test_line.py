"""Pictures on their way, and slow lines."""

from __future__ import annotations

import pytest

from sampt_ros.web.line import Line


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def send(line: Line, clock: Clock, number: int, seconds: float) -> bool:
    """Send a picture, which is drawn so much later; returns whether it was small."""
    small = line.wants_small
    line.sent(number, small)
    clock.now += seconds
    line.drawn(number)
    return small


def test_two_pictures_are_on_their_way_at_most(clock):
    line = Line(clock)
    line.sent(1, False)
    assert not line.is_full
    line.sent(5, False)
    assert line.is_full
    line.drawn(1)
    assert not line.is_full
    line.sent(6, False)
    line.drawn(6)  # the one before it was left out
    line.sent(7, False)
    assert not line.is_full


def test_a_fast_line_gets_full_pictures(clock):
    line = Line(clock)
    assert [send(line, clock, number, 0.05) for number in range(20)] == [False] * 20


def test_a_single_picture_that_takes_long_changes_nothing(clock):
    line = Line(clock)
    assert [send(line, clock, number, 2.0 if number == 3 else 0.05) for number in range(20)] == [False] * 20


def test_a_slow_line_gets_small_ones_and_now_and_then_a_full_one(clock):
    line = Line(clock)
    small = [send(line, clock, number, 0.1 if line.wants_small else 0.5) for number in range(200)]
    assert small[:2] == [False, False]
    assert small[2:].count(False) == pytest.approx(200 * 0.1 / 5, abs=2)


def test_a_line_that_has_become_faster_gets_full_ones_again(clock):
    line = Line(clock)
    for number in range(3):
        send(line, clock, number, 0.5)
    assert line.wants_small
    small = [send(line, clock, number, 0.1) for number in range(3, 70)]
    assert small[:10] == [True] * 10 and small[-10:] == [False] * 10


def test_a_picture_that_waited_behind_another_one_took_the_time_since_that_one(clock):
    line = Line(clock)
    for number in range(0, 20, 2):
        line.sent(number, False)
        line.sent(number + 1, False)
        clock.now += 0.2
        line.drawn(number)
        clock.now += 0.2
        line.drawn(number + 1)
    assert not line.wants_small
