"""Serves the page, and a WebSocket for each viewer. No request is ever used as a path of a file."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from sampt_ros.config.web import WebConfig
from sampt_ros.errors import ServerError
from sampt_ros.utils.niceness import lower_priority
from sampt_ros.web.backend import Backend
from sampt_ros.web.limits import Gate
from sampt_ros.web.room import Room
from sampt_ros.web.viewer import Viewer

_STATIC = Path(__file__).with_name("static")
_FILES = {  # All that is served besides the WebSocket: file and content type, by path of the URL.
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript")
        for name in ("page", "connection", "stage", "objects", "reference")
    },
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_SPARE = 16  # Number of connections besides those of the viewers, for loading the page.
_PATIENCE = 10.0  # Seconds after which a connection is closed unless it is a viewer's.
_END = 3.0  # Seconds that viewers have to close their connections when the server stops.

_log = logging.getLogger(__name__)
# Requests that are not valid HTTP are answered with status 400; a trace of each would fill the log.
_log.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))


class WebServer:
    """Serves the page of a backend on a separate thread.

        with WebServer(player, WebConfig()) as server:
            print(server.url)

    url  address of the page, with the token; empty before the server is started
    """

    def __init__(self, backend: Backend, config: WebConfig) -> None:
        self.url = ""
        self._backend, self._config = backend, config
        self._gate = Gate(config)
        self._thread = threading.Thread(target=self._run, name="sampt_web", daemon=True)
        self._ready = threading.Event()
        self._trouble: OSError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()

    def __enter__(self) -> WebServer:
        """Start to listen; raises ServerError if that is not possible."""
        self._thread.start()
        self._ready.wait()
        if self._trouble is not None:
            where = f"{self._config.host}, port {self._config.port}"
            raise ServerError(f"cannot serve the page on {where}: {_reason(self._trouble)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        lower_priority()
        with ThreadPoolExecutor(2, "sampt_web_pictures", initializer=lower_priority) as pool:
            asyncio.run(self._serve(pool))

    async def _serve(self, pool: ThreadPoolExecutor) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        room = Room(self._backend, self._config, pool)
        runner = web.AppRunner(self._application(room), access_log=None, handle_signals=False, logger=_log)
        await runner.setup()
        server = cast(web.Server, runner.server)  # It is not None after setup().
        connections = _ConnectionLimit(server, self._config.viewers + _SPARE, room)
        try:
            listening = await self._loop.create_server(connections, self._config.host, self._config.port)
        except OSError as error:
            self._trouble = error
            self._ready.set()
            await runner.cleanup()
            return
        self.url = self._address(listening.sockets[0].getsockname()[1])
        updating = asyncio.create_task(room.keep_updating())
        self._ready.set()
        await self._stop.wait()
        self._backend.watch(None)
        listening.close()
        updating.cancel()
        for viewer in list(room.viewers):
            viewer.end()
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(runner.cleanup(), _END)

    def _application(self, room: Room) -> web.Application:
        application = web.Application(client_max_size=1024)

        async def watch(request: web.Request) -> web.StreamResponse:
            refusal = self._gate.refusal(request.headers, request.host, request.remote or "")
            if refusal is None and len(room.viewers) >= self._config.viewers:
                refusal = 503, f"expected at most {self._config.viewers} viewers; there are as many already"
            if refusal is not None:
                return web.Response(status=refusal[0], text=refusal[1])
            # A page that was refused asks for the reason by a plain request; this one would not be refused any more.
            if "Upgrade" not in request.headers:
                return web.Response(status=204)
            return await Viewer(room).serve(request)

        async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(_HEADERS)

        application.router.add_get("/watch", watch)
        for address, (name, kind) in _FILES.items():
            application.router.add_get(address, _file(_STATIC / name, kind))
        application.on_response_prepare.append(add_headers)
        return application

    def _address(self, port: int) -> str:
        """The address of the page for a browser; the token is in the fragment, which browsers do not send."""
        host = self._config.host
        if host in ("0.0.0.0", "::", ""):
            host = _own_address()
        if ":" in host:
            host = f"[{host}]"
        return f"http://{host}:{port}/" + (f"#{self._gate.token}" if self._gate.token else "")


class _ConnectionLimit:
    """Makes the handler of each connection: `most` at once, and those that are not viewers' are soon closed."""

    def __init__(self, server: web.Server, most: int, room: Room) -> None:
        self._server, self._most, self._room = server, most, room
        self._loop = asyncio.get_running_loop()

    def __call__(self) -> asyncio.BaseProtocol:
        if len(self._server.connections) >= self._most:
            return _Closed()
        handler: asyncio.BaseProtocol = self._server()
        self._loop.call_later(_PATIENCE, self._close_unless_viewer, handler)
        return handler

    def _close_unless_viewer(self, handler: Any) -> None:
        watching = {viewer.transport for viewer in self._room.viewers}
        if handler.transport is not None and handler.transport not in watching:
            handler.transport.abort()


class _Closed(asyncio.Protocol):
    """Closes a connection at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


def _file(path: Path, kind: str) -> Any:
    content = path.read_bytes()

    async def send(request: web.Request) -> web.Response:
        return web.Response(body=content, content_type=kind, charset="utf-8")

    return send


def _reason(error: OSError) -> str:
    """The reason why a server cannot listen, without the address that asyncio adds to it."""
    is_of_the_system = error.errno is not None and error.errno in errno.errorcode
    return os.strerror(error.errno or 0) if is_of_the_system else error.strerror or str(error)


def _own_address() -> str:
    """This machine's address in its network, or its name."""
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # An address for documentation: nothing is sent, only a route is chosen.
        return str(probe.getsockname()[0])
    return socket.gethostname()
