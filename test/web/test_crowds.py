"""Too many connections, and connections that say nothing, do not delay those who look on."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")

from web_helpers import PATIENCE, get, looking, raw, served, view

from sampt_ros.web import server as web_server


def test_of_a_thousand_sockets_most_are_closed_and_whoever_looked_on_before_goes_on(server, backend):
    async def look(crowd: list[socket.socket]) -> tuple[int, str]:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            for _ in range(1000):
                crowd.append(await asyncio.to_thread(raw, server))
            deadline = time.monotonic() + PATIENCE
            while (closed := sum(map(is_closed, crowd))) < 970 and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            backend.show(view(5))
            return closed, (await onlooker.receive("frame"))["stamp"]

    crowd: list[socket.socket] = []
    try:
        closed, stamp = asyncio.run(look(crowd))
    finally:
        for connection in crowd:
            connection.close()
    assert closed >= 970 and stamp == "5"


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_a_connection_that_says_nothing_is_closed(monkeypatch, backend):
    monkeypatch.setattr(web_server, "_PATIENCE", 0.3)
    with served(backend) as server:
        connection = raw(server)
        deadline = time.monotonic() + PATIENCE
        while not (closed := is_closed(connection)) and time.monotonic() < deadline:
            time.sleep(0.05)
        connection.close()
        assert closed


def test_a_connection_that_says_a_letter_at_a_time_is_closed(monkeypatch, backend):
    monkeypatch.setattr(web_server, "_PATIENCE", 0.3)
    with served(backend) as server:
        connection = raw(server)
        letters, deadline = iter("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + "y" * 10000), time.monotonic() + PATIENCE
        with pytest.raises(ConnectionError):
            while time.monotonic() < deadline:
                connection.send(next(letters).encode())
                time.sleep(0.02)
        connection.close()


def test_a_viewer_stays_longer_than_that(monkeypatch, backend):
    async def look(server) -> dict:
        async with looking(server) as onlooker:
            await asyncio.sleep(0.6)
            await onlooker.send(type="reset")
            return await onlooker.receive("answer")

    monkeypatch.setattr(web_server, "_PATIENCE", 0.2)
    with served(backend) as server:
        assert asyncio.run(look(server))["ok"]


def test_connections_that_come_too_fast_are_refused(server):
    statuses = []
    while 429 not in statuses and len(statuses) < 1000:  # A slow machine has new ones allowed meanwhile.
        statuses.append(get(server, "/watch")[0])
    assert set(statuses) == {204, 429} and len(statuses) > 50
