"""An object between two frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.prompting import ObjectPrompt
from sampt_ros.reacquisition import Looks
from sampt_ros.reinit import MaskHistory
from sampt_ros.structures import NEGATIVE, POSITIVE, ObjectResult, Points


@dataclass(eq=False)
class TrackedObject:
    """What SamPt keeps of an object.

    result   what the newest frame says of it
    carried  (H, W) its last accepted mask, bool, or moved to the newest frame, float32 0..1; or None
    clicked  ids of those of its points that the user gave; the others were drawn from a mask
    memory   the segmenter's own
    looks    how to find it again, once it was seen
    """

    id: int
    points: Points
    history: MaskHistory
    carried: np.ndarray | None
    result: ObjectResult
    clicked: frozenset[int] = frozenset()
    memory: Any = None
    looks: Looks | None = None

    @property
    def seen(self) -> bool:
        """Whether a point on it is visible."""
        return len(self.points.visible_xy(POSITIVE)) > 0

    @property
    def clicks(self) -> Points:
        """Its points that the user gave."""
        return self.points.at(np.isin(self.points.id, list(self.clicked)))

    def prompt(self, others: np.ndarray, carried: np.ndarray | None, clicks_alone: bool = False) -> ObjectPrompt:
        """What the segmenter is told of it; others (k, 2): the other objects' visible positive points."""
        points = self.clicks if clicks_alone else self.points
        return ObjectPrompt(
            points.visible_xy(POSITIVE), points.visible_xy(NEGATIVE), others, carried, memory=self.memory
        )

    def disobeyed(self, mask: np.ndarray) -> int:
        """How many visible clicks a mask (H, W) bool is at odds with."""
        at_odds = 0
        for label in (POSITIVE, NEGATIVE):
            xy = np.rint(self.clicks.visible_xy(label)).astype(int)
            x, y = np.clip(xy, 0, [mask.shape[1] - 1, mask.shape[0] - 1]).T
            at_odds += int(np.count_nonzero(mask[y, x] != (label == POSITIVE)))
        return at_odds
