"""What happens to those who follow objects through training sequences, and how often."""

from __future__ import annotations

from dataclasses import dataclass


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
    corrected: float = 0.0
    later: float = 0.0


FOLLOWING = Habits()
CLICKING = Habits(starts=(0.7, 0.06, 0.24), brief=0.7, corrected=0.6, later=0.05)
