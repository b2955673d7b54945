"""A tracked frame, of which all outputs are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult


@dataclass(frozen=True, eq=False)
class Tracked:
    """A tracked frame, of which all outputs are made; image is (H, W, 3) uint8 RGB, header its message's."""

    stamp_ns: int
    header: Any
    image: np.ndarray
    result: FrameResult
