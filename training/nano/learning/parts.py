"""The parts of the training: what is practised when, how, and how fast the weights change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

WARM_UP = 300  # steps


@dataclass(frozen=True)
class Habits:
    """What happens to a follower, and how often.

    starts    shares of followers that begin with a click, with a box, with a mask
    guided    share whose carried masks are the true ones, damaged, rather than the network's own
    accident  of all frames: the carried mask ends up on something else, or only a remnant is left
    damage    of all frames: the network's own mask is damaged besides
    rescued   of the frames whose mask is much too wrong: it goes on with the true one, damaged. A network that is shown
              too many masks on other things no longer believes where its mask is, and loses the object to its twin
    sought    of all frames: the object is looked for by a click that may be wrong, as after it was lost
    part      of the boxes: only a part of the object is meant
    brief     share of followers that see a single frame
    refined   of the masks at first clicks: the network looks at the object once more, in a window around the mask
    corrected of the masks at clicks that are not good: one more click corrects them
    later     of the masks in later frames that are not good: likewise
    """

    starts: tuple[float, float, float] = (0.45, 0.08, 0.47)
    guided: float = 0.35
    accident: float = 0.01
    damage: float = 0.1
    sought: float = 0.04
    rescued: float = 0.7
    part: float = 0.4
    brief: float = 0.0
    refined: float = 1.0
    corrected: float = 0.0
    later: float = 0.0


FOLLOWING = Habits()
CLICKING = Habits(starts=(0.7, 0.06, 0.24), brief=0.7, corrected=0.6, later=0.05)
VIDEO = Habits(starts=(0.5, 0.06, 0.44), brief=0.3, corrected=0.6, later=0.05)
BOTH = Habits(starts=(0.6, 0.06, 0.34), brief=0.5, corrected=0.6, later=0.05)
# The click network finds objects now, so most begin with a mask.
REMEMBERING = Habits(starts=(0.2, 0.05, 0.75), sought=0.08, later=0.03)
SELECTING = Habits(starts=(0.9, 0.1, 0.0), brief=1.0, refined=0.4, corrected=0.6)


@dataclass(frozen=True)
class Part:
    """A part of the training.

    until     the share of all steps at its end
    rate      its highest learning rates, as a share of training.RATES
    habits    what happens to its followers
    mixture   how often a follower is started on a sequence of each kind; a kind without sequences is left out
    """

    until: float
    rate: float = 1.0
    habits: Habits = FOLLOWING
    mixture: Mapping[str, float] = field(default_factory=lambda: {"animated": 0.66, "rendered": 0.22, "teacher": 0.12})


# First objects are followed. Then clicks get more of the training, so that they are not learned from few looks; then
# real videos, which differ from all else; and in the end both.
PARTS = (
    Part(until=20 / 33),
    Part(until=24 / 33, rate=0.4, habits=CLICKING),
    Part(until=27 / 33, rate=0.4, habits=VIDEO, mixture={"animated": 0.46, "rendered": 0.22, "teacher": 0.32}),
    Part(until=1, rate=0.5, habits=BOTH, mixture={"animated": 0.48, "rendered": 0.26, "teacher": 0.26}),
)
# The network for clicks is trained after that: it sees no video, and learns nothing but clicks and boxes.
CLICKS = Part(until=1, rate=0.7, habits=SELECTING, mixture={"photograph": 0.5, "animated": 0.25, "rendered": 0.25})
# What those who have learned all that practise more, in larger batches, and therefore at higher rates.
FOLLOWING_AGAIN = Part(
    until=1, rate=1.3, habits=REMEMBERING, mixture={"animated": 0.45, "rendered": 0.35, "teacher": 0.2}
)
CLICKS_AGAIN = Part(
    until=1, rate=1.2, habits=SELECTING, mixture={"photograph": 0.45, "animated": 0.2, "simulated": 0.35}
)
KINDS = ("animated", "rendered", "teacher", "photograph", "simulated")  # of sequences


def ends(steps: int, parts: Sequence[Part]) -> list[int]:
    """The steps after the last ones of the parts, in a training of so many steps."""
    return [step_at(part.until, steps) for part in parts]


def step_at(share: float, steps: int) -> int:
    """The first step from which on a share of all steps is done."""
    return math.ceil(round(share * steps, 6))  # Rounded, for floating point.


class Place(NamedTuple):
    """Where in the training a step is: its part, and the part's first step and the step after its last one."""

    part: Part
    first: int
    end: int

    @classmethod
    def of(cls, step: int, steps: int, parts: Sequence[Part]) -> Place:
        """The place of step 0 <= step < steps; a later one is in the last part."""
        last = ends(steps, parts)
        index = sum(step >= end for end in last[:-1])
        return cls(parts[index], last[index - 1] if index else 0, last[index])

    def pace(self, step: int) -> float:
        """The learning rate, as a share of RATES; it begins anew (Loshchilov and Hutter, "SGDR", ICLR 2017)."""
        progress = min((step - self.first) / max(self.end - self.first, 1), 1.0)
        return self.part.rate * min(1.0, (step - self.first + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress))
