"""What all viewers of a page share: the newest view, the stream's condition, and the names of objects."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sampt_ros.config.web import WebConfig
from sampt_ros.errors import QueryError, ServerError
from sampt_ros.streaming.live.view import Condition, View
from sampt_ros.web.backend import Backend
from sampt_ros.web.packets import packet, small_pictures

if TYPE_CHECKING:
    from sampt_ros.web.viewer import Viewer

_PERIOD = 1.0  # Seconds between two updates of the stream's condition.


class Room:
    """The state that all viewers share.

    It is made and used on the server's event loop; only `show` may be called from any thread.

    backend           runs the stream
    viewers           the viewers that are connected
    number            number of the newest view, from 1 on
    condition         the stream's condition, as JSON
    condition_number  number of changes of the condition
    """

    def __init__(self, backend: Backend, config: WebConfig, pool: ThreadPoolExecutor) -> None:
        """pool: threads that encode and decode pictures."""
        self.backend, self.config, self.pool = backend, config, pool
        self.viewers: set[Viewer] = set()
        self.number = self.condition_number = 0
        self.condition = ""
        self._names: dict[int, str] = {}
        self._id_changes = 0  # As of the newest condition.
        self._ids: set[int] = set()  # Of all objects, as of the newest view.
        self._view: View | None = None
        self._packets: dict[bool, tuple[int, asyncio.Future[bytes]]] = {}  # The newest ones, by whether they are small.
        self._loop = asyncio.get_running_loop()

    def enter(self, viewer: Viewer) -> None:
        """Add a viewer."""
        self.viewers.add(viewer)
        if len(self.viewers) == 1:
            self.backend.watch(self.show)
        self.update_condition()

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        self.viewers.discard(viewer)
        if not self.viewers:
            self.backend.watch(None)
        self.update_condition()

    def show(self, view: View) -> None:
        """Take a new view. Nothing is computed here, so that the calling thread can go on with tracking."""
        with suppress(RuntimeError):  # The server may have ended meanwhile.
            self._loop.call_soon_threadsafe(self._take, view)

    async def packet(self, small: bool) -> tuple[int, bytes]:
        """The number of the newest view, and its message, which is made once for all viewers.

        small: whether the picture is one for slow connections. Raises ServerError before the first view.
        """
        if small not in self._packets or self._packets[small][0] != self.number:
            if self._view is None:
                raise ServerError("expected a view to make a packet of; none has come yet")
            quality = small_pictures(self.config) if small else self.config
            made = self._loop.run_in_executor(self.pool, packet, self.number, self._view, quality)
            self._packets[small] = self.number, made
        number, made = self._packets[small]
        return number, await asyncio.shield(made)

    async def keep_updating(self) -> None:
        """Update the condition every second, without an end."""
        while True:
            self.update_condition()
            await asyncio.sleep(_PERIOD)

    def update_condition(self) -> None:
        """Ask for the stream's condition, and wake all viewers if it has changed."""
        condition = self.backend.condition()
        if condition.id_changes != self._id_changes:
            self._id_changes = condition.id_changes
            self._names.clear()
        content = json.dumps(_condition_message(condition, self._names, len(self.viewers)))
        if content != self.condition:
            self.condition = content
            self.condition_number += 1
            self._wake()

    def rename(self, object_id: int, name: str) -> None:
        """Name an object; an empty name deletes the one it had. Raises QueryError if there is no such object."""
        if object_id not in self._ids:
            there = ", ".join(map(str, sorted(self._ids))) or "none"
            raise QueryError(f"object: expected one that is there ({there}); got {object_id}")
        self.update_condition()  # Names of before a reset are forgotten first, not with this one.
        self._names.pop(object_id, None)
        if name:
            self._names[object_id] = name
        self.update_condition()

    def _take(self, view: View) -> None:
        self._view = view
        self.number += 1
        self._ids = {item.id for item in view.result.objects} | view.others
        self._forget_names()
        self._wake()

    def _wake(self) -> None:
        for viewer in self.viewers:
            viewer.wake.set()

    def _forget_names(self) -> None:
        """Forget the names of objects that are gone, at once: after a reset, another object may have the id."""
        gone = self._names.keys() - self._ids
        for object_id in gone:
            del self._names[object_id]
        if gone:
            self.update_condition()


def _condition_message(condition: Condition, names: dict[int, str], viewers: int) -> dict[str, Any]:
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
