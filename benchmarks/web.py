"""Measures what viewers of the page cost: the frame rate without and with three viewers, and the memory.

    python benchmarks/web.py --minutes 10

It plays the demo's video to the tracker as `sampt web` does, with both objects clicked. One of the viewers has a slow
connection. The viewers are in a separate process and draw nothing, because a browser would run on another machine. It
prints a report as JSON; the exit status is 1 if viewers slow tracking down by more than 5 %, or if memory grows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np

from sampt_ros.config.web import WebConfig
from sampt_ros.io.video import open_source
from sampt_ros.streaming.requests import Request
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import machine, resident_memory
from sampt_ros.web.packets import split
from sampt_ros.web.player import Player
from sampt_ros.web.server import WebServer

VIDEO = Path(__file__).resolve().parents[1] / "examples/demo/tabletop.mp4"
CLICKS = ((464.0, 282.0), (283.0, 252.0))  # pixels of the first frame
SLOW = 100_000  # bytes/s of the slow connection
PIECE = 4096  # bytes that it forwards at once
WARMUP = 10.0  # seconds
SAMPLE = 2.0  # seconds between two measurements of the memory
ALLOWED_LOSS = 0.05  # share of the frame rate
ALLOWED_GROWTH = 10.0  # MiB from the first quarter of the time with viewers to the last quarter


# The viewers' process


class SlowLine:
    """Forwards connections to the server, and the server's data back at 100 kB/s."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self.ended = asyncio.Event()  # Set when a connection has ended.

    async def open(self) -> int:
        """Listen; returns the port."""
        listening = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        port: int = listening.sockets[0].getsockname()[1]
        return port

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(*self._server, limit=PIECE)

        async def forward() -> None:
            while data := await reader.read(PIECE):
                to_server.write(data)
            to_server.close()

        async def forward_slowly() -> None:
            while data := await from_server.read(PIECE):
                writer.write(data)
                await asyncio.sleep(len(data) / SLOW)
            writer.close()

        await asyncio.gather(forward(), forward_slowly(), return_exceptions=True)  # Until both sides have closed.
        self.ended.set()


async def look(url: str, seconds: float, origin: str) -> dict[str, float]:
    """Watch for some seconds; returns pictures and bytes per second, and how old the pictures are when they arrive."""
    ages, size, began = [], 0, time.monotonic()
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{url}watch", protocols=("sampt",), headers={"Host": origin}) as socket,
    ):
        while (left := began + seconds - time.monotonic()) > 0:
            try:
                message = await socket.receive(timeout=left)
            except asyncio.TimeoutError:
                break
            if message.type == aiohttp.WSMsgType.BINARY:
                header, _ = split(message.data)
                size += len(message.data)
                ages.append((time.time_ns() - int(header["stamp"])) / 1e6)
                await socket.send_json({"type": "drawn", "number": header["number"]})
            elif message.type != aiohttp.WSMsgType.TEXT:
                raise SystemExit(f"a viewer was turned away: {message}")
    return {
        "pictures_per_s": round(len(ages) / seconds, 2),
        "kB_per_s": round(size / seconds / 1000, 1),
        "age_ms_median": round(statistics.median(ages), 1),
        "age_ms_p95": round(float(np.percentile(ages, 95)), 1),
    }


async def look_all(url: str, seconds: float) -> list[dict[str, float]]:
    """Watch as two viewers, and as a third one with a slow connection; returns the results of `look` for each."""
    place = urlsplit(url)
    assert place.hostname is not None and place.port is not None
    line = SlowLine(place.hostname, place.port)
    slow = f"http://127.0.0.1:{await line.open()}/"
    looking = [look(address, seconds, place.netloc) for address in (url, url, slow)]
    seen = list(await asyncio.gather(*looking))
    await asyncio.wait_for(line.ended.wait(), WARMUP)
    return seen


# The tracker's process


def click_both(player: Player) -> None:
    """Start both objects of the demo while the video is paused."""
    player.pause(True, print)
    time.sleep(0.5)
    for xy in CLICKS:
        player.ask(Request(points=np.array([xy], np.float32), labels=np.array([1], np.uint8)), lambda attempt: None)
    time.sleep(2.0)
    player.pause(False, print)


def measure(player: Player, seconds: float) -> tuple[float, list[float]]:
    """Frames tracked per second, and the memory of this process every SAMPLE seconds, MiB."""
    before, began, memory = player.statistics["frames_tracked"], time.monotonic(), []
    while (left := began + seconds - time.monotonic()) > 0:
        memory.append(resident())
        time.sleep(min(SAMPLE, left))
    return (player.statistics["frames_tracked"] - before) / (time.monotonic() - began), memory


def resident() -> float:
    """Memory of this process, MiB."""
    return resident_memory() / 2**20


def run(seconds: float, fps: float) -> dict[str, Any]:
    """Measure without viewers, with them, and without them again; returns the report."""
    with open_source(str(VIDEO)) as source:
        source.fps = fps or source.fps
        player = Player(source, SamPt(), "tabletop.mp4", "default")
        with player, WebServer(player, WebConfig(port=0)) as server:
            while player.statistics["frames_tracked"] == 0:
                time.sleep(0.05)
            click_both(player)
            time.sleep(WARMUP)
            alone = max(20.0, seconds / 4)
            before, _ = measure(player, alone)
            command = [sys.executable, __file__, "--look", server.url, "--minutes", str(seconds / 60)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as viewers:
                watched, memory = measure(player, seconds)
                viewed = json.loads(viewers.communicate()[0])
            after, _ = measure(player, alone)
            values = player.condition().values
    quarter = max(1, len(memory) // 4)
    early, late = statistics.mean(memory[:quarter]), statistics.mean(memory[-quarter:])
    return {
        "machine": machine(),
        "minutes": seconds / 60,
        "frames_per_s": {"before": round(before, 2), "with viewers": round(watched, 2), "after": round(after, 2)},
        "with / without": round(2 * watched / (before + after), 3),
        "memory_MiB": {"first quarter": round(early, 1), "last quarter": round(late, 1), "peak": round(max(memory), 1)},
        "viewers": dict(zip(("first", "second", "slow line"), viewed)),
        "frames_dropped": values["frames_dropped"],
        "effort": values.get("effort", "full"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the viewers watch (default: 10)")
    parser.add_argument("--fps", type=float, default=0.0, help="frame rate of the video (default: its own)")
    parser.add_argument("--look", metavar="URL", help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.look:
        print(json.dumps(asyncio.run(look_all(parsed.look, 60 * parsed.minutes))))
        return 0
    report = run(60 * parsed.minutes, parsed.fps)
    memory = report["memory_MiB"]
    wrong = []
    if report["with / without"] < 1 - ALLOWED_LOSS:
        wrong.append("viewers slow tracking down")
    if memory["last quarter"] - memory["first quarter"] > ALLOWED_GROWTH:
        wrong.append("memory grows")
    print(json.dumps(report | {"wrong": wrong}, indent=2))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
