"""Depth for the images of a bag: of the depth images recorded around each, the nearest in time."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sampt_ros.bag_recorder import TrackedImage
from sampt_ros.camera import Pinhole
from sampt_ros.depth import Solid, in_metres, require_in_sight, solids
from sampt_ros.errors import SamPtError
from sampt_ros.messages import stamp_ns

_log = logging.getLogger(__name__)

_PATIENCE = 10  # images that may wait for depth
_HISTORY_NS = 1_000_000_000  # depth is kept for so long; a stamp further back is a jump in time


class BagDepth:
    """Gives every tracked image its depth, if there is one, and hands the images on in order.

    An image waits until a depth image as late as itself was read, and the CameraInfo, unless ten newer ones wait: so
    what it gets does not depend on how fast anything is.

    camera  of the images; None before it is known: then nothing is in space
    """

    def __init__(self, expected: bool, slop: float) -> None:
        """expected: whether the bag has depth at all; slop: seconds that an image and its depth may be apart."""
        self.camera: Pinhole | None = None
        self._patience = _PATIENCE if expected else 0
        self._slop_ns = round(slop * 1e9)
        self._heard: dict[int, np.ndarray] = {}  # depth as in_metres takes it, by its stamp
        self._waiting: deque[TrackedImage] = deque()
        self._trouble = ""

    def see(self, camera: Pinhole) -> None:
        """The camera as the newest CameraInfo says; one like the last is not exchanged, as its rays are known."""
        if self.camera is None or not camera.is_like(self.camera):
            self.camera = camera

    def hear(self, stamp: int, depth: np.ndarray) -> None:
        """A depth image (H, W), uint16 millimetres or float32 metres, stamped `stamp` (ns)."""
        oldest = min([stamp, *(stamp_ns(tracked.header) for tracked in self._waiting)]) - _HISTORY_NS
        self._heard = {at: kept for at, kept in self._heard.items() if oldest <= at <= stamp + _HISTORY_NS}
        self._heard[stamp] = depth

    def add(self, tracked: TrackedImage) -> None:
        """An image is tracked."""
        self._waiting.append(tracked)

    def settled(self) -> Iterator[TrackedImage]:
        """The images that need not wait any longer."""
        while self._waiting and (len(self._waiting) > self._patience or self._is_sure(self._waiting[0])):
            yield self._with_depth(self._waiting.popleft())

    def rest(self) -> Iterator[TrackedImage]:
        """All images that still wait: nothing more comes."""
        while self._waiting:
            yield self._with_depth(self._waiting.popleft())

    def require_in_sight(self, point: np.ndarray, xy: tuple[float, float], stamp: int, size: tuple[int, int]) -> None:
        """Raise QueryError if depth shows that something hides a point (3,) metres, seen at pixel xy of an image.

        Without depth of that image nothing is known to hide the point.
        """
        depth = self._nearest(stamp, size)
        if depth is not None:
            require_in_sight(point, xy, depth)

    def _is_sure(self, tracked: TrackedImage) -> bool:
        return self.camera is not None and max(self._heard, default=-1) >= stamp_ns(tracked.header)

    def _with_depth(self, tracked: TrackedImage) -> TrackedImage:
        return replace(tracked, found=self._in_space(tracked))

    def _in_space(self, tracked: TrackedImage) -> dict[int, Solid] | None:
        size = tracked.result.size
        depth = self._nearest(stamp_ns(tracked.header), size)
        if depth is None or self.camera is None:
            return None
        try:
            return solids(tracked.result, depth, self.camera.for_images(size))
        except SamPtError as error:
            self._tell(str(error))
            return None

    def _nearest(self, stamp: int, size: tuple[int, int]) -> np.ndarray | None:
        """(H, W) float32 metres, or None where there is no depth, or none that can be used."""
        at = min(self._heard, key=lambda other: abs(other - stamp), default=None)
        if at is None or abs(at - stamp) > self._slop_ns:
            return None
        try:
            return in_metres(self._heard[at], size)
        except SamPtError as error:
            self._tell(str(error))
            return None

    def _tell(self, trouble: str) -> None:
        """Warn, but not for every image anew."""
        if trouble != self._trouble:
            _log.warning("no 3D: %s", trouble)
            self._trouble = trouble
