"""Tests of benchmarks/leave_and_return.py, with pictures made here."""

from __future__ import annotations

import numpy as np
import pytest
from leave_and_return import COVERED, CutOut, Pictures, compose


class RandomPictures(Pictures):
    """Pictures of random pixels, of objects that are squares."""

    def __init__(self) -> None:
        pass

    def object(self, rng, side):
        return self.rectangle(rng, round(side), round(side))

    def rectangle(self, rng, width, height):
        return CutOut(self.still(rng)[:height, :width], np.ones((height, width), np.float32))

    def still(self, rng):
        return rng.integers(0, 256, (600, 600, 3), dtype=np.uint8)

    def clip(self, rng):
        return [self.still(rng)[:270, :480]] * 60


@pytest.mark.parametrize("way", COVERED)
def test_an_object_that_will_be_covered_is_seen_at_first(way):
    for seed in range(12):
        _, mask = next(compose(RandomPictures(), way, seed))
        assert mask.sum() > 300
