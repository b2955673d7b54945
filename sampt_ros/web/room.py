"""What all viewers of a page share: the newest view, how the stream is, the names that people gave to objects."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sampt_ros.config.web import WebConfig
from sampt_ros.errors import ServerError
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.web.backend import Backend
from sampt_ros.web.packets import packet, small_pictures

if TYPE_CHECKING:
    from sampt_ros.web.viewer import Viewer

_PERIOD = 1.0  # Seconds between two looks at how the stream is.


class Room:
    """Made and used on the server's event loop; `show` alone may be called from any thread.

    backend  who runs the stream
    viewers  who is there
    number   of the newest view
    told     how the stream is, as JSON, and told_number: how often that has changed
    """

    def __init__(self, backend: Backend, config: WebConfig, pool: ThreadPoolExecutor) -> None:
        """pool: where pictures are encoded and decoded."""
        self.backend, self.config, self.pool = backend, config, pool
        self.viewers: set[Viewer] = set()
        self.number = self.told_number = 0
        self.told = ""
        self._names: dict[int, str] = {}
        self._missing: set[int] = set()  # Named objects that the newest view did not have at the last look.
        self._view: View | None = None
        self._packets: dict[bool, tuple[int, asyncio.Future[bytes]]] = {}  # The last ones, full and small.
        self._loop = asyncio.get_running_loop()

    def enter(self, viewer: Viewer) -> None:
        """Somebody looks on from now on."""
        self.viewers.add(viewer)
        if len(self.viewers) == 1:
            self.backend.watch(self.show)
        self.tell()

    def leave(self, viewer: Viewer) -> None:
        """Somebody has gone."""
        self.viewers.discard(viewer)
        if not self.viewers:
            self.backend.watch(None)
        self.tell()

    def show(self, view: View) -> None:
        """Take a new view. Nothing is computed here: whoever calls tracks."""
        with suppress(RuntimeError):  # the server has ended meanwhile
            self._loop.call_soon_threadsafe(self._take, view)

    async def packet(self, small: bool) -> tuple[int, bytes]:
        """The number of the newest view, from 1 on, and the view as browsers get it; made once for all viewers."""
        if small not in self._packets or self._packets[small][0] != self.number:
            if self._view is None:
                raise ServerError("expected a view to make a packet of; none has come yet")
            quality = small_pictures(self.config) if small else self.config
            made = self._loop.run_in_executor(self.pool, packet, self.number, self._view, quality)
            self._packets[small] = self.number, made
        number, made = self._packets[small]
        return number, await asyncio.shield(made)

    async def look(self) -> None:
        """Look how the stream is, again and again."""
        while True:
            self._forget_names()
            self.tell()
            await asyncio.sleep(_PERIOD)

    def tell(self) -> None:
        """Let all viewers know how the stream is, if that has changed."""
        condition = self.backend.condition()
        told = json.dumps(_told(condition, self._names, len(self.viewers)))
        if told != self.told:
            self.told = told
            self.told_number += 1
            self._wake()

    def rename(self, object_id: int, name: str) -> None:
        """Call an object so; with an empty name, by its number again."""
        self._names.pop(object_id, None)
        if name:
            self._names[object_id] = name
        self.tell()

    def free_id(self) -> int:
        """A number that no object has that is seen now or was named."""
        seen = [item.id for item in self._view.result.objects] if self._view else []
        return max([0, *seen, *self._names]) + 1

    def _take(self, view: View) -> None:
        self._view = view
        self.number += 1
        self._wake()

    def _wake(self) -> None:
        for viewer in self.viewers:
            viewer.wake.set()

    def _forget_names(self) -> None:
        """Forget the names of objects that are gone at two looks in a row: a frame that failed has none of them."""
        there = {item.id for item in self._view.result.objects} if self._view else set()
        missing = self._names.keys() - there
        for object_id in missing & self._missing:
            del self._names[object_id]
        self._missing = set(missing)


def _told(condition: Condition, names: dict[int, str], viewers: int) -> dict[str, Any]:
    return {
        "type": "condition",
        "source": condition.source,
        "message": condition.message,
        "well": condition.well,
        "paused": condition.paused,
        "values": dict(condition.values),
        "names": names,
        "viewers": viewers,
    }
