"""The parts of the training: what is practised when, and how fast the weights change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from training.nano.learning.habits import CLICKING, FOLLOWING, Habits

WARM_UP = 300  # steps


@dataclass(frozen=True)
class Part:
    """A part of the training.

    until          the share of all steps at its end
    rate           its highest learning rates, as a share of training.RATES
    habits         what happens to its followers
    mixture        how often a follower is started on a sequence of each kind; a kind without sequences is left out
    rounds_decoder the decoder's blocks compute as their 8-bit form does
    """

    until: float
    rate: float = 1.0
    habits: Habits = FOLLOWING
    mixture: Mapping[str, float] = field(default_factory=lambda: {"animated": 0.66, "rendered": 0.22, "teacher": 0.12})
    rounds_decoder: bool = True


# First objects are followed. Then clicks get more of the training, so that they are not learned from few looks.
PARTS = (
    Part(until=20 / 24, rounds_decoder=False),
    Part(until=1, rate=0.4, habits=CLICKING),
)
KINDS = tuple(PARTS[0].mixture)  # of sequences


def ends(steps: int) -> list[int]:
    """The steps after the last ones of PARTS, in a training of so many steps."""
    return [math.ceil(round(part.until * steps, 6)) for part in PARTS]  # Rounded, for floating point.


class Place(NamedTuple):
    """Where in the training a step is: its part, and the part's first step and the step after its last one."""

    part: Part
    first: int
    end: int

    @classmethod
    def of(cls, step: int, steps: int) -> Place:
        """The place of step 0 <= step < steps; a later one is in the last part."""
        last = ends(steps)
        index = sum(step >= end for end in last[:-1])
        return cls(PARTS[index], last[index - 1] if index else 0, last[index])

    def pace(self, step: int) -> float:
        """The learning rate, as a share of RATES; it begins anew (Loshchilov and Hutter, "SGDR", ICLR 2017)."""
        progress = min((step - self.first) / max(self.end - self.first, 1), 1.0)
        return self.part.rate * min(1.0, (step - self.first + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress))
