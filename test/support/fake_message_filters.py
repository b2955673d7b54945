"""Pairs messages as message_filters does, for machines without it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from sampt_ros.messages.fields import stamp_ns


class SimpleFilter:
    """What message_filters calls so."""

    def __init__(self) -> None:
        self.calls: list = []

    def registerCallback(self, call, *values):  # noqa: N802
        self.calls.append((call, values))

    def signalMessage(self, *messages):  # noqa: N802
        for call, values in self.calls:
            call(*messages, *values)


class ApproximateTimeSynchronizer(SimpleFilter):
    """Pairs two inputs whose stamps are at most `slop` seconds apart."""

    def __init__(self, inputs, queue_size, slop) -> None:
        super().__init__()
        self.size, self.slop = queue_size, slop * 1e9
        self.queues: list[dict] = [{}, {}]
        for row, made in enumerate(inputs):
            made.registerCallback(self.add, row)

    def add(self, message, row):
        queue, stamp = self.queues[row], stamp_ns(message.header)
        queue[stamp] = message
        while len(queue) > self.size:
            del queue[min(queue)]
        other = min(self.queues[1 - row], key=lambda at: abs(at - stamp), default=float("inf"))
        if stamp in queue and abs(other - stamp) < self.slop:
            pair = {row: queue.pop(stamp), 1 - row: self.queues[1 - row].pop(other)}
            self.signalMessage(pair[0], pair[1])


def use_where_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import message_filters` find this where ROS's own is not installed."""
    if importlib.util.find_spec("message_filters") is None:
        module = ModuleType("message_filters")
        module.SimpleFilter = SimpleFilter  # type: ignore[attr-defined]
        module.ApproximateTimeSynchronizer = ApproximateTimeSynchronizer  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "message_filters", module)
