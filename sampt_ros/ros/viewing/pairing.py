"""Images joined with what a node has found in them, by their stamps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.messages.fields import result_from_messages
from sampt_ros.messages.images import labels_from_image
from sampt_ros.streaming.live.view import View

_MOST_KEPT = 30  # Images that wait for their labels: one second of most cameras.
_PATIENCE = 2.0  # Seconds without labels, after which images are shown without any: a slow node takes one for a frame.


@dataclass
class _Parts:
    """What has come of one stamp."""

    load_image: Callable[[], np.ndarray] | None = None
    labels: Any = None
    objects: Any = None
    is_whole: bool = field(init=False, default=False)


class Pairing:
    """Takes images, labels and objects as they come, and gives each whole view once, the newest last.

    is_paused  whether the node ignores images since people want it so: then the last view stays
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self.is_paused = False
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Forget what has come so far."""
        self._parts: dict[int, _Parts] = {}
        self._last = 0  # Stamp of the last whole view.
        self._tracked = self._clock()  # When that was.

    def image(self, stamp_ns: int, load: Callable[[], np.ndarray]) -> View | None:
        """An image, which `load` converts to (H, W, 3) uint8 RGB. It is a view without objects if no node tracks."""
        if self.is_paused:
            self._tracked = self._clock()
            return None
        self._of(stamp_ns).load_image = load
        if self._clock() - self._tracked > _PATIENCE:
            image = load()
            return View(stamp_ns, image, FrameResult(0, image.shape[:2]))
        return self._joined(stamp_ns)

    def labels(self, stamp_ns: int, message: Any) -> View | None:
        """The labels (sensor_msgs/Image) of an image."""
        self._of(stamp_ns).labels = message
        return self._joined(stamp_ns)

    def objects(self, stamp_ns: int, message: Any) -> View | None:
        """The objects (sampt_ros/TrackedObjects) in an image."""
        self._of(stamp_ns).objects = message
        return self._joined(stamp_ns)

    def _of(self, stamp_ns: int) -> _Parts:
        while len(self._parts) >= _MOST_KEPT and stamp_ns not in self._parts:
            del self._parts[min(self._parts)]
        return self._parts.setdefault(stamp_ns, _Parts())

    def _joined(self, stamp_ns: int) -> View | None:
        """The view of a stamp, if all of it has come; older ones are not waited for any longer."""
        parts = self._parts[stamp_ns]
        if parts.load_image is None or parts.labels is None or parts.objects is None:
            return None
        self._parts = {other: kept for other, kept in self._parts.items() if other > stamp_ns}
        self._tracked = self._clock()
        result, positions = result_from_messages(parts.objects, labels_from_image(parts.labels))
        return View(stamp_ns, parts.load_image(), result, positions)
