"""What a user interface shows of a running stream: images with their objects, and the stream's condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from sampt_ros.data_types import FrameResult


@dataclass(frozen=True, eq=False)
class View:
    """An image and the objects tracked in it.

    stamp_ns   the image's stamp, by which a query refers to it
    image      (H, W, 3) uint8 RGB
    result     the objects tracked in it
    positions  by object id, the centre (3,) of its visible surface, metres, in the camera's optical frame
    others     ids of objects that are there, but not in `result`: its computation failed, or no results come
    """

    stamp_ns: int
    image: np.ndarray
    result: FrameResult
    positions: Mapping[int, np.ndarray] = field(default_factory=dict)
    others: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Condition:
    """The condition of a stream.

    source      where its images come from, in words
    message     its condition in one sentence
    well        whether everything works
    paused      whether it was paused by the user
    values      counts, rates and latencies in words, as in StreamStatistics.summary, and further details
    id_changes  how often objects' ids have passed to others, as by a reset, without a view that lacks the former ones
    """

    source: str
    message: str
    well: bool = True
    paused: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    id_changes: int = 0
