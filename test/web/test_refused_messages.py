"""Messages to the page that are malformed, too large or too many are refused, and the others go on."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")

import aiohttp
from web_helpers import PATIENCE, looking, raw, served

from sampt_ros.web import viewer as web_viewer
from sampt_ros.web.packets import joined


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        '{"type": "open", "path": "/etc/passwd"}',
        '{"type": ["points"]}',
        '{"type": "points"}',
        '{"type": "points", "stamp": "1", "points": [[1, 2]]}',
        '{"type": "points", "stamp": "1", "points": [[1, 2, 3]]}',
        '{"type": "points", "stamp": "1", "points": [[NaN, 2, 1]]}',
        '{"type": "points", "stamp": "1", "points": [[1e999, 2, 1]]}',
        f'{{"type": "points", "stamp": "1", "points": [[{"9" * 400}, 2, 1]]}}',
        f'{{"type": "points", "stamp": "1", "points": [[{"9" * 5000}, 2, 1]]}}',
        '{"type": "points", "stamp": "1", "points": [["1", 2, 1]]}',
        '{"type": "points", "stamp": "1", "points": [[true, 2, 1]]}',
        '{"type": "points", "stamp": "1", "points": [[[[[1]]], 2, 1]]}',
        '{"type": "points", "stamp": "1", "points": [[1, 2, 0.5]]}',
        '{"type": "points", "stamp": "1", "points": []}',
        '{"type": "points", "stamp": 1, "points": [[1, 2, 1]]}',
        '{"type": "points", "stamp": "-1", "points": [[1, 2, 1]]}',
        '{"type": "points", "stamp": "٣", "points": [[1, 2, 1]]}',
        '{"type": "points", "stamp": "1", "object": -1, "points": [[1, 2, 1]]}',
        '{"type": "points", "stamp": "1", "object": true, "points": [[1, 2, 1]]}',
        '{"type": "points", "stamp": "1", "object": 65536, "points": [[1, 2, 1]]}',
        '{"type": "points", "stamp": "1", "object": null, "points": [[1, 2, 1]]}',
        '{"type": "box", "stamp": "1", "box": [1, 2, 3]}',
        '{"type": "box", "stamp": "1", "box": [1, 2, -Infinity, 3]}',
        '{"type": "box", "stamp": "1", "box": {"x": 1}}',
        '{"type": "remove", "object": "1"}',
        '{"type": "rename", "object": 0, "name": "mug"}',
        '{"type": "rename", "object": 1, "name": 5}',
        '{"type": "pause", "paused": "yes"}',
        '{"type": "drawn", "number": "1"}',
        "[" * 15000,
        '{"a":' * 3000,
        '{"type": "points", "stamp": "1", "points": "' + "x" * 20000 + '"}',
    ],
    ids=lambda text: text[:40],
)
def test_a_malformed_command_is_refused_with_a_reason_and_the_next_one_is_taken(server, backend, text):
    async def send() -> tuple[dict, dict]:
        async with looking(server) as onlooker:
            await onlooker.socket.send_str(text)
            refused = await onlooker.receive("answer")
            await onlooker.send(type="reset")
            return refused, await onlooker.receive("answer")

    refused, taken = asyncio.run(send())
    assert not refused["ok"] and "expected" in refused["text"]
    assert taken["ok"] and backend.asked == ["reset"]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xff\xff\xff\xff",
        joined({"type": "reference"}, b""),
        joined({"type": "reference", "picture": 9}, b"123"),
        joined({"type": "reference", "picture": True}, b"123"),
        joined({"type": "reference", "picture": 3, "object": "../../1"}, b"123"),
        joined({"type": "reference", "picture": 3, "more": [{}] * 10000}, b"123"),
        b"\x04\0\0\0\xff\xfe\xfd\xfc",
    ],
)
def test_a_malformed_upload_is_refused(server, backend, message):
    async def send() -> dict:
        async with looking(server) as onlooker:
            await onlooker.socket.send_bytes(message)
            return await onlooker.receive("answer")

    answer = asyncio.run(send())
    assert not answer["ok"] and "expected" in answer["text"]
    assert backend.asked == []


def test_an_oversized_message_ends_the_connection_of_its_sender_alone(server, backend):
    async def send() -> tuple[dict, dict]:
        async with looking(server) as other, looking(server) as onlooker:
            with suppress(ConnectionError):
                await onlooker.socket.send_bytes(bytes(17 * 2**20))
            closed = await onlooker.receive("closed")
            await other.send(type="reset")
            return closed, await other.receive("answer")

    closed, answer = asyncio.run(send())
    assert closed["type"] == "closed" and answer["ok"]


def test_a_flood_of_messages_ends_the_connection(server, backend):
    async def send() -> dict:
        async with looking(server) as onlooker:
            for _ in range(300):
                await onlooker.send(type="drawn", number=0)
            return await onlooker.receive("closed")

    assert asyncio.run(send())["code"] == 1008


def test_a_ping_is_answered_and_a_flood_of_them_ends_the_connection(server, backend):
    async def send() -> tuple[bytes, dict]:
        async with looking(server, autoping=False) as onlooker:
            await onlooker.socket.ping(b"there?")
            while (message := await onlooker.socket.receive(timeout=PATIENCE)).type != aiohttp.WSMsgType.PONG:
                pass
            for _ in range(300):
                await onlooker.socket.ping()
            while (closed := await onlooker.socket.receive(timeout=PATIENCE)).type != aiohttp.WSMsgType.CLOSE:
                pass
            return message.data, closed.data

    assert asyncio.run(send()) == (b"there?", 1008)


def test_who_is_silent_but_there_stays_and_who_is_gone_is_noticed(monkeypatch, backend):
    async def look(server) -> bool:
        async with looking(server) as onlooker:
            for _ in range(12):
                with suppress(asyncio.TimeoutError):
                    await onlooker.socket.receive(timeout=0.1)  # which answers pings
            await onlooker.send(type="reset")
            assert (await onlooker.receive("answer"))["ok"]
        gone = await asyncio.to_thread(raw, server)
        gone.send(
            b"GET /watch HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        deadline = time.monotonic() + PATIENCE
        while not backend.watched.is_set() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert backend.watched.is_set()
        while backend.watched.is_set() and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        gone.close()
        return not backend.watched.is_set()

    monkeypatch.setattr(web_viewer, "_HEARTBEAT", 0.3)
    with served(backend) as server:
        assert asyncio.run(look(server))


def test_a_flood_of_commands_is_refused_with_a_reason_and_what_is_said_of_pictures_is_not(server, backend):
    async def send() -> list[dict]:
        async with looking(server) as onlooker:
            for _ in range(60):
                await onlooker.send(type="remove", object=1)
                await onlooker.send(type="drawn", number=0)
            return [await onlooker.receive("answer") for _ in range(60)]

    answers = asyncio.run(send())
    refused = [answer["text"] for answer in answers if not answer["ok"]]
    assert set(refused) == {"expected at most 5 commands a second"}
    assert 20 <= len(backend.asked) == 60 - len(refused) < 60


def test_whoever_draws_all_pictures_of_a_fast_camera_stays(backend, monkeypatch):
    async def look(server) -> dict:
        async with looking(server) as onlooker:
            for _ in range(100):
                await onlooker.send(type="drawn", number=0)
                await asyncio.sleep(0.01)
            await onlooker.send(type="reset")
            return await onlooker.receive("answer")

    monkeypatch.setattr(web_viewer, "_MESSAGES", (50.0, 20))  # else it would take some seconds
    with served(backend, rate=100.0) as server:
        assert asyncio.run(look(server))["ok"]


def test_a_flood_of_uploads_is_refused(server, backend):
    async def send() -> list[dict]:
        async with looking(server) as onlooker:
            for _ in range(5):
                await onlooker.socket.send_bytes(joined({"type": "reference", "picture": 3}, b"abc"))
            return [await onlooker.receive("answer") for _ in range(5)]

    assert sum("fewer uploads" in answer["text"] for answer in asyncio.run(send())) >= 1


def test_a_large_request_is_refused(server):
    async def post() -> int:
        async with aiohttp.ClientSession() as session, session.post(server.url, data=bytes(10**6)) as answer:
            return answer.status

    assert asyncio.run(post()) == 405
