"""The viewers of benchmarks/web.py: two fast ones, and one on a slow line."""

from __future__ import annotations

import asyncio
import mmap
import threading
import time

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")

from web import ALLOWED_GROWTH, SLOW, look_all, resident
from web_helpers import FakeBackend, served, view

from sampt_ros.streaming.live.view import View


def test_the_slow_line_gets_fewer_bytes_and_no_old_pictures():
    backend, stopped = FakeBackend(), threading.Event()
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3)).astype(np.uint8)  # large as a JPEG

    def play() -> None:
        while not stopped.wait(0.03):
            if (show := backend.show) is not None:
                show(View(time.time_ns(), noise, view().result))

    playing = threading.Thread(target=play)
    playing.start()
    try:
        with served(backend, rate=20.0) as server:
            first, second, slow = asyncio.run(look_all(server.url, 4.0))
    finally:
        stopped.set()
        playing.join()
    assert slow["kB_per_s"] <= 1.3 * SLOW / 1000 < first["kB_per_s"]
    assert min(first["pictures_per_s"], second["pictures_per_s"]) > slow["pictures_per_s"] > 0
    assert first["age_ms_median"] < 1000


def test_memory_is_read():
    size = int(4 * ALLOWED_GROWTH * 2**20)
    with mmap.mmap(-1, size) as kept:  # An array might take what other tests have freed, and leave it so.
        kept.write(bytes(size))
        with_it = resident()
    assert 0 < resident() < with_it - 2 * ALLOWED_GROWTH
