"""Rates, and who is let in."""

from __future__ import annotations

import pytest

from sampt_ros.config.web import WebConfig
from sampt_ros.web.limits import Gate, RateLimit, is_loopback


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


def test_too_many_requests_of_one_address_are_refused_and_those_of_another_are_not():
    gate = Gate(WebConfig(token="a-long-secret"))
    headers = {"Authorization": "Bearer a-long-secret"}
    given = [gate.refusal(headers, "robot:8080", "10.0.0.1") for _ in range(60)]
    assert given[0] is None and given[-1][0] == 429
    assert gate.refusal(headers, "robot:8080", "10.0.0.2") is None


def test_a_token_that_is_no_text_is_refused():
    headers = {"Authorization": "Bearer \udcff\udcfe"}
    assert Gate(WebConfig(token="a-long-secret")).refusal(headers, "robot", "10.0.0.1")[0] == 401


def test_behind_a_proxy_with_tls_the_page_is_of_this_server():
    gate = Gate(WebConfig(token="a-long-secret"))
    headers = {"Authorization": "Bearer a-long-secret", "Origin": "https://robot.example"}
    assert gate.refusal(headers, "robot.example", "10.0.0.1") is None
