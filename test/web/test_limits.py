"""Rates, and who is let in."""

from __future__ import annotations

import pytest

from sampt_ros.web.limits import RateLimit, is_loopback


def test_a_burst_is_taken_and_then_the_rate():
    now = [0.0]
    limit = RateLimit(rate=2, burst=3, clock=lambda: now[0])
    assert [limit.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 0.5
    assert [limit.take() for _ in range(2)] == [True, False]
    now[0] = 60.0
    assert [limit.take() for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost"])
def test_addresses_of_this_machine_alone(host):
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "192.168.1.2", "::", "localhost.example", "127.0.0.1.example", "", "robot"]
)
def test_addresses_that_others_reach_too(host):
    assert not is_loopback(host)
