"""What is asked of a stream."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np


class Action(IntEnum):
    """What a request asks for; the values are those of the QueryPoints message."""

    ADD = 0
    REPLACE = 1
    REMOVE = 2


@dataclass(frozen=True, eq=False)
class Request:
    """A query about the image that was current at `stamp_ns` (0: the newest).

    points (n, 2) pixel xy with labels (n,); box (x_min, y_min, x_max, y_max); mask (H, W); object_id 0: a new object.
    """

    action: Action = Action.ADD
    object_id: int = 0
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None
    stamp_ns: int = 0


@dataclass(frozen=True, eq=False)
class Reference:
    """An object that is known from a picture, to be looked for.

    image (H, W, 3) uint8 RGB, of any size; mask (H, W) bool of the object in it, None where it was left out.
    """

    image: np.ndarray
    mask: np.ndarray | None
    object_id: int
