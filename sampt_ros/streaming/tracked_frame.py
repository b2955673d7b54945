"""An image on its way through a stream: as it comes in, and as it goes out."""

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
    """An image that came in.

    stamp_ns     its header's stamp; 0 where the camera does not stamp its images
    header       its message's; it travels to everything that is made of the image
    load         converts it to (H, W, 3) uint8 RGB, or raises FrameError
    received     when it came in, by time.perf_counter(), seconds
    recorded_ns  when it was recorded, if it is of a recording
    title        what people call it; empty: it is named by its time
    number       its place in a recording, counted from 0
    """

    stamp_ns: int
    header: Any
    load: Callable[[], np.ndarray]
    received: float = 0.0
    recorded_ns: int = 0
    title: str = ""
    number: int = 0

    @property
    def name(self) -> str:
        """What it is called in messages for people."""
        return self.title or f"the image of {self.time_ns / 1e9:.3f} s"

    @property
    def time_ns(self) -> int:
        """When the image was taken: its stamp, or when it was recorded where it has none."""
        return self.stamp_ns or self.recorded_ns


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """An image and all that is known of it; its outputs are made of this.

    event     what it came in as
    image     (H, W, 3) uint8 RGB
    result    what is tracked in it; no objects where the computation failed
    surfaces  what depth shows of the objects, by id; None without depth
    change    what it shows of its stream, such as a jump in time; mostly None
    failed    whether the computation failed, which is counted as a dropped frame
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
