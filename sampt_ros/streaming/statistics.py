"""Counts, rates and latencies of a running stream, for the diagnostics."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping

import numpy as np

ACCEPTED = "queries_accepted"  # counter of the queries, clicks and references that were carried out

_RECENT = 100  # frames over which medians and percentiles are computed
_PAUSE = 1.0  # seconds without an event after which the rate is computed from the length of the pause
_SILENT_AFTER = 2.0  # seconds without an image after which the stream counts as interrupted


class StreamStatistics:
    """Counts and timings of a stream, and the reasons for its failures. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._last_rejected = False
        self._arrivals: deque[float] = deque(maxlen=_RECENT)
        self._departures: deque[float] = deque(maxlen=_RECENT)
        self._stages: dict[str, deque[float]] = {}

    def count(self, counter: str, reason: str = "") -> None:
        """Increment a counter, such as frames_rejected; the last reason is kept."""
        with self._lock:
            self._counts[counter] += 1
            if counter == "frames_received":
                self._arrivals.append(time.perf_counter())
            if counter == "frames_rejected":
                self._last_rejected = True
            if reason:
                self._reasons[counter] = reason

    def frame_done(self, latency_ms: float, stages: Mapping[str, float]) -> None:
        """Record a published frame: `latency_ms` since it came in, and the milliseconds of each stage."""
        with self._lock:
            self._counts["frames_tracked"] += 1
            self._last_rejected = False
            self._departures.append(time.perf_counter())
            for stage, spent in {**stages, "latency": latency_ms}.items():
                self._stages.setdefault(stage, deque(maxlen=_RECENT)).append(spent)

    def __getitem__(self, counter: str) -> int:
        with self._lock:
            return self._counts[counter]

    def reason(self, counter: str) -> str:
        """The last reason given to a counter; empty before the first."""
        with self._lock:
            return self._reasons.get(counter, "")

    def silence(self) -> float:
        """Seconds since the last image came in; infinite before the first."""
        with self._lock:
            return time.perf_counter() - self._arrivals[-1] if self._arrivals else np.inf

    def health(self, topic: str, publishers: int, objects: int) -> tuple[bool, str]:
        """Whether usable images come in on `topic`, and one sentence that says so."""
        silence = self.silence()
        if silence > _SILENT_AFTER:
            since = "yet" if np.isinf(silence) else f"for {silence:.1f} s"
            return False, f"no image on {topic} {since}; its publishers: {publishers}"
        if self._last_rejected:
            return False, f"the last image on {topic} was rejected: {self._reasons.get('frames_rejected', '')}"
        return True, f"tracking; objects: {objects}" if objects else "waiting for a click"

    def summary(self) -> dict[str, str]:
        """All counts, reasons, rates and timings as text, in a fixed order."""
        with self._lock:
            values = {name: str(self._counts[name]) for name in _COUNTS}
            values |= {f"last reason of {name}": reason for name, reason in self._reasons.items()}
            values["rate in (frames/s)"] = f"{_rate(self._arrivals):.1f}"
            values["rate out (frames/s)"] = f"{_rate(self._departures):.1f}"
        for stage, (median, p95) in self.recent().items():
            values[f"{stage} (ms, median / p95)"] = f"{median:.1f} / {p95:.1f}"
        return values

    def recent(self) -> dict[str, tuple[float, float]]:
        """Median and 95th percentile, in ms, of every stage and of the latency over the recent frames."""
        with self._lock:
            return {stage: tuple(np.percentile(spent, [50, 95]).tolist()) for stage, spent in self._stages.items()}


_COUNTS = (
    "frames_received",
    "frames_tracked",
    "frames_dropped",
    "frames_rejected",
    ACCEPTED,
    "queries_refused",
    "depth_rejected",
    "camera_info_rejected",
    "tasks_failed",
)


def _rate(times: deque[float]) -> float:
    """Events per second over the recent events, given their times in seconds."""
    if len(times) < 2 or times[-1] <= times[0]:
        return 0.0
    mean = (len(times) - 1) / (times[-1] - times[0])
    silence = time.perf_counter() - times[-1]
    return 1 / silence if silence > _PAUSE else mean
