"""One browser that watches: it gets the newest pictures, as many as it can draw, and its clicks go to the stream."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiohttp import WSMsgType, web

from sampt_ros.errors import QueryError, SamPtError
from sampt_ros.streaming.failures import Attempt
from sampt_ros.web.commands import is_paused, object_id, object_name, request_from_page
from sampt_ros.web.limits import PROTOCOL, RateLimit
from sampt_ros.web.line import Line
from sampt_ros.web.packets import read_json, split
from sampt_ros.web.room import Room
from sampt_ros.web.uploads import MOST_BYTES, reference_from_upload

_MOST_TEXT = 2**14  # Most characters of a command, and most bytes of an upload's header.
# Limits a second, and at once:
_MESSAGES = (50.0, 200)  # All messages, besides one for each picture that was drawn.
_COMMANDS = (5.0, 20)  # Commands of people, each of which may take as long as a frame.
_UPLOADS = (0.5, 3)
_MOST_ANSWERS = 64  # Largest number of answers that are kept for a browser that does not receive them.
_IDLE = 1.0  # Longest time in seconds until it is checked again whether there is something to send.
_HEARTBEAT = 20.0  # Seconds between two pings, which show whether the browser is still there.

_log = logging.getLogger(__name__)

Answer = dict[str, Any]


class Viewer:
    """Serves one WebSocket until it is closed.

    A picture is sent only after the browser reported that it drew an earlier one. So a slow browser gets fewer and
    smaller pictures, each as new as possible, and no pictures are queued.

    wake       event to be set when there is something new to send
    transport  transport of the connection, or None before `serve`
    """

    def __init__(self, room: Room) -> None:
        self._room = room
        self._loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.wake = asyncio.Event()
        messages, at_once = _MESSAGES
        self._messages = RateLimit(messages + room.config.rate, at_once)
        self._commands, self._uploads = RateLimit(*_COMMANDS), RateLimit(*_UPLOADS)
        self._answers: deque[Answer] = deque(maxlen=_MOST_ANSWERS)
        self._sent = 0  # Number of the last picture that was sent.
        self._condition = 0  # Number of the last condition that was sent.
        self._next = 0.0  # The time when the next picture may be sent.
        self._line = Line()
        # Pings are answered by _receive, so that they count as messages.
        self._socket = web.WebSocketResponse(
            protocols=(PROTOCOL,), heartbeat=_HEARTBEAT, max_msg_size=MOST_BYTES, compress=False, autoping=False
        )

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the browser that sent this request."""
        self.transport = request.transport
        self._room.enter(self)  # Before any await, so that viewers that come at the same time are all counted.
        try:
            await self._socket.prepare(request)
            sender = asyncio.create_task(self._send())
            try:
                with suppress(ConnectionError):  # It disconnected while it was answered.
                    await self._listen()
            finally:
                sender.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await sender
        finally:
            self._room.leave(self)
        return self._socket

    def end(self) -> None:
        """Close the connection because the server stops."""
        self._loop.create_task(self._socket.close(code=1001, message=b"the server stops"))

    # To the browser

    async def _send(self) -> None:
        try:
            while not self._socket.closed:
                self.wake.clear()
                delay = await self._send_what_is_due()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), delay)
        except ConnectionError:
            pass  # It disconnected.
        except Exception:
            _log.exception("a viewer's connection is closed because of a fault")
            await self._socket.close(code=1011, message=b"a fault in the server")

    async def _send_what_is_due(self) -> float:
        """Send answers, the condition and a picture if they are due.

        Returns the number of seconds after which it is to be called again if nothing happens before.
        """
        while self._answers:
            await self._socket.send_str(json.dumps(self._answers.popleft()))
        if self._condition != self._room.condition_number:
            self._condition = self._room.condition_number
            await self._socket.send_str(self._room.condition)
        if self._sent == self._room.number or self._line.is_full:
            return _IDLE
        early = self._next - self._loop.time()
        if early > 0:
            return early
        # Counted from when this picture was due, so that the rate is kept even if it is sent late.
        self._next = max(self._next, self._loop.time() - 1 / self._room.config.rate) + 1 / self._room.config.rate
        small = self._line.wants_small
        self._sent, packet = await self._room.packet(small)
        self._line.sent(self._sent, small)
        await self._socket.send_bytes(packet)
        return 0.0

    def _answer(self, ok: bool, text: str, object_id: int | None = None) -> None:
        self._answers.append({"type": "answer", "ok": ok, "text": text, "object": object_id})
        self.wake.set()

    # From the browser

    async def _listen(self) -> None:
        """Receive messages until the browser disconnects or sends too many."""
        async for message in self._socket:
            if not self._messages.take():
                await self._socket.close(code=1008, message=b"expected fewer messages a second")
                break
            await self._receive(message.type, message.data)

    async def _receive(self, kind: WSMsgType, data: Any) -> None:
        try:
            if kind == WSMsgType.TEXT:
                self._act(_command(data))
            elif kind == WSMsgType.BINARY:
                await self._take_upload(data)
            elif kind == WSMsgType.PING:
                await self._socket.pong(data)
        except SamPtError as error:
            self._answer(False, str(error))

    def _act(self, command: Mapping[str, Any]) -> None:
        """Carry out a command; raises QueryError if it is not a valid one."""
        kind = command.get("type")
        act = self._ACTIONS.get(kind) if isinstance(kind, str) else None
        if act is None:
            raise QueryError(f"expected a command of {', '.join(self._ACTIONS)}; got {str(kind)[:40]!r}")
        if kind != "drawn" and not self._commands.take():
            raise QueryError(f"expected at most {_COMMANDS[0]:.0f} commands a second")
        act(self, command)

    def _drawn(self, command: Mapping[str, Any]) -> None:
        number = command.get("number")
        if type(number) is not int:
            raise QueryError("number: expected the number of a picture")
        self._line.drawn(number)
        self.wake.set()

    def _ask(self, command: Mapping[str, Any]) -> None:
        request = request_from_page(command)
        self._room.backend.ask(request, self._tell)

    def _rename(self, command: Mapping[str, Any]) -> None:
        renamed, name = object_id(command, lowest=1), object_name(command)
        self._room.rename(renamed, name)
        # Without the object: to name it does not make it the one that is clicked next.
        self._answer(True, f"object {renamed}: named {name}" if name else f"object {renamed}: without a name")

    def _reset(self, command: Mapping[str, Any]) -> None:
        self._room.backend.reset(self._tell)

    def _pause(self, command: Mapping[str, Any]) -> None:
        self._room.backend.pause(is_paused(command), self._tell)
        self._room.update_condition()

    async def _take_upload(self, data: bytes) -> None:
        if not self._uploads.take():
            raise QueryError("expected fewer uploads at a time; try again in some seconds")
        header, content = split(data, _MOST_TEXT)
        name = object_id(header)  # For a new object, its id is chosen by who starts it: others may start some now.
        made = await self._loop.run_in_executor(self._room.pool, reference_from_upload, header, content, name)
        self._room.backend.refer(made, self._tell)

    def _tell(self, attempt: Attempt) -> None:
        """Send the browser the result of a request; called from the thread that carried it out."""
        answer = attempt.answer
        text = attempt.reason or (answer.text if answer else "done")
        item = (answer.object_id if answer else 0) or None
        with suppress(RuntimeError):  # The server may have ended meanwhile.
            self._loop.call_soon_threadsafe(self._answer, attempt.error is None, text, item)

    _ACTIONS: Mapping[str, Callable[[Viewer, Mapping[str, Any]], None]] = {
        "drawn": _drawn,
        "points": _ask,
        "box": _ask,
        "remove": _ask,
        "rename": _rename,
        "reset": _reset,
        "pause": _pause,
    }


def _command(text: str) -> dict[str, Any]:
    """Parse a command; raises QueryError if it is too long or not a JSON object."""
    if len(text) > _MOST_TEXT:
        raise QueryError(f"expected a command of at most {_MOST_TEXT} characters; got {len(text)}")
    return read_json(text)
