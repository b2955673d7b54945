"""What people see of a running stream, and how it is, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sampt_ros.data_types import FrameResult


@dataclass(frozen=True, eq=False)
class View:
    """An image, and what is tracked in it.

    stamp_ns   the image's stamp, by which a query names it
    image      (H, W, 3) uint8 RGB
    result     what is tracked in it
    positions  by object id, the centre (3,) of what depth shows of it, metres, in the camera's optical frame
    """

    stamp_ns: int
    image: np.ndarray
    result: FrameResult
    positions: Mapping[int, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Condition:
    """How a stream is.

    source   where its images come from, in words
    message  how it is in one sentence
    well     whether that is as it should be
    paused   whether it waits for people to let it go on
    values   counts, rates and latencies in words, as StreamStatistics.summary has them, and what else is known
    """

    source: str
    message: str
    well: bool = True
    paused: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
