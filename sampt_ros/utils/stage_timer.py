"""Measures the time that each stage of a frame takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StageClock:
    """Adds up milliseconds by stage:

    clock = StageClock()
    with clock("tracking"):
        ...
    clock.stages["tracking"]

    settle  called at the end of every stage, within its time; a benchmark sets it to wait for what the GPU still
            computes, which otherwise counts in a later stage
    """

    settle: Callable[[], object] | None = None

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            if StageClock.settle is not None:
                StageClock.settle()
            spent = 1000 * (time.perf_counter() - start)
            self.stages[stage] = self.stages.get(stage, 0.0) + spent
