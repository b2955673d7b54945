"""How far an object's masks can be relied on: what their newest one is worth, and what those before it were."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sampt_ros.data_types import LocalMask
from sampt_ros.tracking.masks.cohesion import cohesion

_RECENT = 16  # The running mean is about one of so many masks.


@dataclass(frozen=True)
class Reliability:
    """Rates each mask of an object by itself and by those before it.

    A network rates what it sees now. A mask that looks good after many poor ones, or after a poor first one, is less
    likely the object than one after many good ones. It is immutable: `after` returns an updated copy.

    quality  of the newest mask, 0..1: its predicted IoU times its cohesion
    usual    the running mean of the qualities, 0..1
    masks    how many there were
    """

    quality: float = 0.0
    usual: float = 0.0
    masks: int = 0

    def after(self, mask: LocalMask, predicted_iou: float) -> Reliability:
        """After one more mask, of bool, was accepted."""
        quality = min(predicted_iou, 1.0) * cohesion(mask)
        usual = self.usual + (quality - self.usual) / min(self.masks + 1, _RECENT)
        return replace(self, quality=quality, usual=usual, masks=self.masks + 1)

    @property
    def score(self) -> float:
        """0..1: the geometric mean of the newest mask's quality and the usual one; a poor mask shows at once."""
        return math.sqrt(self.quality * self.usual)
