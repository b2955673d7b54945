"""A page without a tracker behind it, and a program that looks on in place of a browser."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import numpy as np

from sampt_ros.config.web import WebConfig
from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.streaming.requests import Answer
from sampt_ros.web.packets import split
from sampt_ros.web.server import WebServer

PATIENCE = 20.0  # seconds, for a machine that does a lot besides


def view(stamp_ns: int = 1, size: tuple[int, int] = (48, 64), ids: tuple[int, ...] = (1,)) -> View:
    """A grey image in which each object is a square of 10 pixels with one point."""
    image = np.full((*size, 3), 90, np.uint8)
    objects = []
    for number, name in enumerate(ids):
        mask = np.zeros(size, bool)
        mask[20:30, 5 + 15 * number : 15 + 15 * number] = True
        points = Points.start(np.array([name]), np.array([(10 + 15 * number, 25)]), np.array([1]))
        objects.append(ObjectResult(name, ObjectState.TRACKING, 0.9, LocalMask.of(mask), points))
    return View(stamp_ns, image, FrameResult(0, size, tuple(objects)))


class FakeBackend:
    """Remembers what it was asked for, and does nothing."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.paused = False
        self.id_changes = 0
        self.show: Callable[[View], None] | None = None
        self.watched = threading.Event()

    def watch(self, show: Callable[[View], None] | None) -> None:
        self.show = show
        (self.watched.set if show else self.watched.clear)()

    def condition(self) -> Condition:
        return Condition("a fake", "well", paused=self.paused, values={"preset": "none"}, id_changes=self.id_changes)

    def ask(self, request: Any, tell: Callable[[Attempt], None]) -> None:
        self._note(request, tell)

    def refer(self, reference: Any, tell: Callable[[Attempt], None]) -> None:
        self._note(reference, tell)

    def reset(self, tell: Callable[[Attempt], None]) -> None:
        self._note("reset", tell)

    def pause(self, paused: bool, tell: Callable[[Attempt], None]) -> None:
        self.paused = paused
        tell(Attempt(answer=Answer("noted")))

    def _note(self, what: Any, tell: Callable[[Attempt], None]) -> None:
        self.asked.append(what)
        tell(Attempt(answer=Answer("noted", object_id=getattr(what, "object_id", 0))))


@contextmanager
def served(backend: Any = None, **settings: Any) -> Iterator[WebServer]:
    """A server on a free port."""
    with WebServer(backend or FakeBackend(), WebConfig(**{"port": 0} | settings)) as server:
        yield server


class Onlooker:
    """A program that looks on."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, **command: Any) -> None:
        await self.socket.send_str(json.dumps(command))

    async def receive(self, kind: str = "") -> Any:
        """The next message of a kind: `condition`, `answer`, `frame` (its header, with the picture as `jpeg`)."""
        while True:
            message = await self.socket.receive(timeout=PATIENCE)
            if message.type == aiohttp.WSMsgType.BINARY:
                header, jpeg = split(message.data)
                content = header | {"type": "frame", "jpeg": jpeg}
            elif message.type == aiohttp.WSMsgType.TEXT:
                content = json.loads(message.data)
            else:
                return {"type": "closed", "code": self.socket.close_code}
            if kind in ("", content["type"]):
                return content


@asynccontextmanager
async def looking(server: WebServer, **options: Any) -> AsyncIterator[Onlooker]:
    """Somebody who looks on; options as for aiohttp's ws_connect."""
    address, _, token = server.url.partition("#")
    protocols = ("sampt", f"token.{token}") if token else ("sampt",)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{address}watch", **{"protocols": protocols} | options) as socket,
    ):
        yield Onlooker(socket)


def refusal(server: WebServer, **options: Any) -> int:
    """The HTTP status with which somebody is refused; 0: may come in."""

    async def attempt() -> int:
        try:
            async with looking(server, **options):
                return 0
        except aiohttp.WSServerHandshakeError as error:
            return error.status

    return asyncio.run(attempt())


def get(server, path: str, **headers: str) -> tuple[int, str]:
    async def ask() -> tuple[int, str]:
        address = server.url.partition("#")[0].rstrip("/")
        async with aiohttp.ClientSession() as session, session.get(f"{address}{path}", headers=headers) as answer:
            return answer.status, await answer.text()

    return asyncio.run(ask())


def raw(server) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1].strip("/"))), PATIENCE)
    made.setblocking(False)
    return made
