"""What the diagnostics say about a stream."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from sampt_ros.streaming import statistics as stream_statistics
from sampt_ros.streaming.statistics import StreamStatistics
from sampt_ros.utils.machine import device_memory


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The time, in seconds, which goes on only when told to."""
    made = SimpleNamespace(now=100.0)
    monkeypatch.setattr(stream_statistics, "time", SimpleNamespace(perf_counter=lambda: made.now))
    return made


def test_every_count_is_there_from_the_start():
    values = StreamStatistics().summary()
    counts = ("received", "tracked", "dropped", "rejected")
    assert [values[f"frames_{what}"] for what in counts] == ["0"] * 4
    assert [values[f"queries_{what}"] for what in ("accepted", "refused")] == ["0"] * 2
    assert (values["rate in (frames/s)"], values["rate out (frames/s)"]) == ("0.0", "0.0")


def test_the_last_reason_is_kept():
    statistics = StreamStatistics()
    for reason in ("too small", "too large"):
        statistics.count("frames_rejected", reason)
    assert statistics["frames_rejected"] == 2
    assert statistics.summary()["last reason of frames_rejected"] == "too large"


def test_rates(clock):
    statistics = StreamStatistics()
    for index in range(5):
        clock.now += 0.1
        statistics.count("frames_received")
        if index % 2 == 0:
            statistics.frame_done(5.0, {})
    values = statistics.summary()
    assert (values["rate in (frames/s)"], values["rate out (frames/s)"]) == ("10.0", "5.0")


def test_latency_by_stage_over_the_last_hundred_frames():
    statistics = StreamStatistics()
    statistics.frame_done(9999.0, {"tracking": 9999.0})
    for milliseconds in range(1, 101):
        statistics.frame_done(float(milliseconds), {"tracking": 2.0})
    values = statistics.summary()
    assert values["latency (ms, median / p95)"] == "50.5 / 95.0"
    assert values["tracking (ms, median / p95)"] == "2.0 / 2.0"
    assert values["frames_tracked"] == "101"


def test_silence(clock):
    statistics = StreamStatistics()
    assert statistics.silence() == np.inf
    statistics.count("frames_received")
    clock.now += 3
    assert statistics.silence() == 3


def test_health(clock):
    statistics = StreamStatistics()
    assert statistics.health("/image", 0, 0) == (False, "no image on /image yet; its publishers: 0")
    statistics.count("frames_received")
    assert statistics.health("/image", 1, 0) == (True, "waiting for a click")
    assert statistics.health("/image", 1, 2) == (True, "tracking; objects: 2")
    clock.now += 3
    assert statistics.health("/image", 1, 2) == (False, "no image on /image for 3.0 s; its publishers: 1")


def test_a_stream_is_not_well_while_its_frames_are_rejected():
    statistics = StreamStatistics()
    statistics.count("frames_received")
    statistics.count("frames_rejected", "too small")
    assert statistics.health("/image", 1, 2) == (False, "the last image on /image was rejected: too small")
    statistics.frame_done(5.0, {})
    assert statistics.health("/image", 1, 2) == (True, "tracking; objects: 2")


def test_no_count_is_lost_between_threads():
    statistics = StreamStatistics()
    threads = [
        threading.Thread(target=lambda: [statistics.count("frames_received") for _ in range(1000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statistics["frames_received"] == 4000


def test_device_memory_is_said_only_where_torch_uses_a_device(monkeypatch):
    def torch(used: bool) -> SimpleNamespace:
        cuda = {
            "is_available": used,
            "is_initialized": used,
            "memory_allocated": 3 << 20,
            "max_memory_allocated": 5 << 20,
        }
        return SimpleNamespace(
            cuda=SimpleNamespace(**{name: lambda value=value: value for name, value in cuda.items()})
        )

    monkeypatch.setitem(sys.modules, "torch", torch(False))
    assert device_memory() == {}
    monkeypatch.setitem(sys.modules, "torch", torch(True))
    assert device_memory() == {"device memory (MiB, now / most)": "3 / 5"}
