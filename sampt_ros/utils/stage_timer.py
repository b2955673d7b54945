"""The time that each stage of a frame takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Adds up milliseconds by stage:

    clock = StageClock()
    with clock("tracking"):
        ...
    clock.stages["tracking"]
    """

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = 1000 * (time.perf_counter() - start)
            self.stages[stage] = self.stages.get(stage, 0.0) + spent
