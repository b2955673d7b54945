"""The server of the page: who may come in, what is shown, and what is asked for."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import cv2
import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")

import aiohttp
from web_helpers import PATIENCE, get, looking, raw, refusal, served, view

from sampt_ros.errors import ServerError
from sampt_ros.streaming.requests import Action
from sampt_ros.web.packets import joined

# The page


@pytest.mark.parametrize(
    "path", ["/", "/page.css", "/page.js", "/stage.js", "/connection.js", "/objects.js", "/icon.svg"]
)
def test_the_page_and_its_parts_are_served(server, path):
    status, text = get(server, path)
    assert status == 200 and len(text) > 100


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "//etc/passwd",
        "/../server.py",
        "/%2e%2e/server.py",
        "/..%2f..%2fetc/passwd",
        "/..\\server.py",
        "/page.js/../../server.py",
        "/static/../page.js",
        "/page.js%00.png",
        "/%c0%ae%c0%ae/etc/passwd",
        "http://elsewhere.example/etc/passwd",
        "file:///etc/passwd",
    ],
)
def test_no_other_file_is_served(server, path):
    answer = answer_to(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] in (b"400", b"404") and b"root" not in answer and b"import" not in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"no HTTP at all\r\n\r\n",
        b"\x16\x03\x01\x02\x00 as TLS begins\r\n\r\n",
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["text", "TLS", "path", "header", "headers", "length"],
)
def test_what_is_no_http_is_refused_in_one_line_and_without_a_trace_in_the_log(server, caplog, request_bytes):
    head, _, text = answer_to(server, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 400 ") and 0 < len(text) < 500
    assert not caplog.records
    assert get(server, "/")[0] == 200


def answer_to(server, request: bytes) -> bytes:
    """What comes until the server is silent or closes the connection."""
    connection, answer = raw(server), b""
    connection.settimeout(0.5)
    connection.sendall(request)
    with suppress(TimeoutError, ConnectionError):
        while more := connection.recv(2**16):
            answer += more
    connection.close()
    return answer


def test_the_page_loads_nothing_from_elsewhere(server):
    async def headers() -> str:
        async with aiohttp.ClientSession() as session, session.get(server.url) as answer:
            return answer.headers["Content-Security-Policy"]

    policy = asyncio.run(headers())
    assert "default-src 'none'" in policy and "http" not in policy
    for path in ("/", "/page.css", "/page.js", "/stage.js", "/connection.js", "/objects.js", "/reference.js"):
        assert "//" not in get(server, path)[1].replace("http://www.w3.org", "").replace("// ", "")


def test_an_address_that_is_taken_is_an_error_with_a_reason(server):
    port = int(server.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(ServerError, match=f"on 127.0.0.1, port {port}: Address already in use$"), served(port=port):
        pass
    with pytest.raises(ServerError, match=r"on nowhere\.invalid, port 0: "), served(host="nowhere.invalid"):
        pass


# Who may come in


def test_a_program_on_this_machine_may_look_on(server):
    assert refusal(server) == 0


def test_the_page_itself_may_look_on(server):
    assert refusal(server, origin=server.url.rstrip("/")) == 0


@pytest.mark.parametrize(
    "origin", ["http://elsewhere.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "http://["]
)
def test_a_page_from_elsewhere_may_not(server, origin):
    assert refusal(server, origin=origin) == 403


def test_a_name_that_was_made_to_lead_here_is_refused(server):
    assert refusal(server, headers={"Host": "elsewhere.example"}) == 403
    assert refusal(server, headers={"Host": "[elsewhere"}) in (400, 403)
    assert refusal(server, headers={"Host": "localhost:8080"}) == 0


def test_on_another_address_the_token_is_needed():
    with served(host="0.0.0.0") as server:
        assert len(server.url.partition("#")[2]) > 20
        assert refusal(server) == 0
        assert refusal(server, protocols=("sampt",)) == 401
        assert refusal(server, protocols=("sampt", "token.wrong")) == 401
        assert get(server, "/watch")[0] == 401
        assert get(server, "/watch", Authorization=f"Bearer {server.url.partition('#')[2]}")[0] == 204


def test_a_token_of_ones_own_is_needed_everywhere():
    with served(token="a-long-secret") as server:
        assert server.url.endswith("#a-long-secret")
        assert refusal(server) == 0
        assert refusal(server, protocols=("sampt",)) == 401


def test_with_the_token_a_foreign_origin_is_refused_too():
    with served(token="a-long-secret") as server:
        assert refusal(server, origin="http://elsewhere.example") == 403


def test_more_viewers_than_allowed_are_turned_away():
    async def both(server) -> None:
        async with looking(server), looking(server):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with looking(server):
                    pass
            assert refused.value.status == 503

    with served(viewers=2) as server:
        asyncio.run(both(server))
        deadline = time.monotonic() + PATIENCE
        while refusal(server) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert refusal(server) == 0  # they have gone


# What is shown


def test_a_viewer_gets_the_picture_and_what_is_drawn_over_it(server, backend):
    async def look() -> dict:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            backend.show(view(stamp_ns=1_700_000_000_123_456_789))
            return await onlooker.receive("frame")

    frame = asyncio.run(look())
    assert frame["stamp"] == "1700000000123456789"
    assert (frame["width"], frame["height"]) == (64, 48)
    assert frame["jpeg"][:2] == b"\xff\xd8"
    (item,) = frame["objects"]
    assert item["state"] == "TRACKING" and item["box"] == [5, 20, 10, 10] and item["points"] == [[10, 25, 1, 1]]


def test_nothing_is_made_while_nobody_looks(server, backend):
    async def look() -> None:
        async with looking(server) as onlooker:
            await onlooker.receive("condition")

    asyncio.run(look())
    deadline = time.monotonic() + PATIENCE
    while backend.show is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert backend.show is None


def test_a_viewer_that_draws_nothing_gets_two_pictures_and_then_the_newest(backend):
    async def look(server) -> list[int]:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            numbers = []
            for stamp in range(1, 4):
                backend.show(view(stamp))
                if stamp < 3:
                    numbers.append((await onlooker.receive("frame"))["stamp"])
            for stamp in range(4, 50):
                backend.show(view(stamp))
            await onlooker.send(type="rename", object=1, name="mug")  # the answer comes after what waits
            while not (await onlooker.receive("condition"))["names"]:
                pass
            await onlooker.send(type="drawn", number=2)
            return [*numbers, (await onlooker.receive("frame"))["stamp"]]

    with served(backend, rate=120.0) as server:
        assert asyncio.run(look(server)) == ["1", "2", "49"]


def test_pictures_come_at_the_configured_rate(backend):
    async def look(server) -> int:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            count, end = 0, time.monotonic() + 1.0
            while time.monotonic() < end:
                backend.show(view(count + 1))
                with_picture = asyncio.create_task(onlooker.receive("frame"))
                frame = await with_picture
                count += 1
                await onlooker.send(type="drawn", number=frame["number"])
            return count

    with served(backend, rate=10.0) as server:
        assert 5 <= asyncio.run(look(server)) <= 12


def test_a_large_image_is_sent_smaller_and_its_pixels_count_as_before(backend):
    async def look(server) -> dict:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            backend.show(view(size=(300, 400)))
            return await onlooker.receive("frame")

    with served(backend, picture_size=100) as server:
        frame = asyncio.run(look(server))
    assert (frame["width"], frame["height"]) == (400, 300)
    assert frame["objects"][0]["box"] == [5, 20, 10, 10]


# What is asked for


def test_clicks_and_boxes_reach_the_stream_as_requests(server, backend):
    async def act() -> None:
        async with looking(server) as onlooker:
            await onlooker.send(type="points", object=0, stamp="77", points=[[1.5, 2, 1], [3, 4, 0]])
            await onlooker.send(type="box", object=0, stamp="77", box=[30, 40, 10, 20])
            await onlooker.send(type="box", object=4, stamp="77", box=[10, 20, 30, 40])
            await onlooker.send(type="remove", object=4)
            answers = [await onlooker.receive("answer") for _ in range(4)]
            assert [(answer["text"], answer["object"]) for answer in answers] == [
                ("noted", name) for name in (None, None, 4, 4)
            ]

    asyncio.run(act())
    clicks, box, again, remove = backend.asked
    assert (clicks.action, clicks.object_id, clicks.stamp_ns) == (Action.ADD, 0, 77)
    assert clicks.points.tolist() == [[1.5, 2], [3, 4]] and clicks.labels.tolist() == [1, 0]
    assert (box.action, box.box) == (Action.ADD, (10, 20, 30, 40))
    assert (again.action, again.object_id) == (Action.REPLACE, 4)
    assert (remove.action, remove.object_id) == (Action.REMOVE, 4)


def test_every_command_but_drawn_is_answered(server, backend):
    async def act() -> list[tuple]:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            backend.show(view())
            await onlooker.receive("frame")
            for command in (
                {"type": "drawn", "number": 1},
                {"type": "rename", "object": 1, "name": "mug"},
                {"type": "rename", "object": 1, "name": ""},
                {"type": "pause", "paused": True},
                {"type": "reset"},
            ):
                await onlooker.send(**command)
            answers = [await onlooker.receive("answer") for _ in range(4)]
            return [(answer["ok"], answer["text"], answer["object"]) for answer in answers]

    assert asyncio.run(act()) == [
        (True, text, None) for text in ("object 1: named mug", "object 1: without a name", "noted", "noted")
    ]


def test_an_uploads_new_object_gets_its_id_from_who_starts_it(server, backend):
    black = cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))[1].tobytes()
    white = cv2.imencode(".png", np.full((20, 30), 255, np.uint8))[1].tobytes()

    async def act() -> None:
        async with looking(server) as onlooker:
            assert backend.watched.wait(PATIENCE)
            backend.show(view(ids=(65535,)))
            await onlooker.receive("frame")
            for name in (0, 7):
                header = {"type": "reference", "object": name, "picture": len(black)}
                await onlooker.socket.send_bytes(joined(header, black + white))
                assert (await onlooker.receive("answer"))["text"] == "noted"

    asyncio.run(act())
    assert [reference.object_id for reference in backend.asked] == [0, 7]
