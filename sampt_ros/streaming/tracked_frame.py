"""An image on its way through a stream: the event that comes in, and the tracked frame that goes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.geometry.surfaces import ObjectSurface
from sampt_ros.streaming.continuity import Change


@dataclass(frozen=True, eq=False)
class ImageEvent:
    """An incoming image.

    stamp_ns     stamp of its header; 0 if the camera does not stamp its images
    header       header of its message; every output made from the image carries it
    load         converts it to (H, W, 3) uint8 RGB, or raises FrameError
    received     when it came in, by time.perf_counter(), seconds
    recorded_ns  when it was recorded, if it comes from a recording
    title        its name in log messages; if empty, it is named by its time
    number       its index in a recording, from 0
    following_ns in a bag, stamps of some images after it
    nbytes       bytes that it takes while it waits; 0 if it never does
    """

    stamp_ns: int
    header: Any
    load: Callable[[], np.ndarray]
    received: float = 0.0
    recorded_ns: int = 0
    title: str = ""
    number: int = 0
    following_ns: tuple[int, ...] | None = None
    nbytes: int = 0

    @property
    def name(self) -> str:
        """Its name in log messages."""
        return self.title or f"the image of {self.time_ns / 1e9:.3f} s"

    @property
    def time_ns(self) -> int:
        """When the image was taken: its stamp, or the time of recording if it has none."""
        return self.stamp_ns or self.recorded_ns


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """A processed image with its results; all outputs are made from this.

    event     the incoming image
    image     (H, W, 3) uint8 RGB
    result    the objects tracked in it; none if the computation failed
    surfaces  the visible surface of each object, by object id; None without depth
    change    a change of the stream that this frame confirmed, such as a jump in time; usually None
    failed    whether the computation failed; the frame then counts as rejected
    """

    event: ImageEvent
    image: np.ndarray
    result: FrameResult
    surfaces: Mapping[int, ObjectSurface] | None = None
    change: Change | None = None
    failed: bool = False

    @property
    def header(self) -> Any:
        """The header of the image's message."""
        return self.event.header
