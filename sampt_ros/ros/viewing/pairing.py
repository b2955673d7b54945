"""Joins images with the results of the tracking node, by their stamps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.messages.fields import result_from_messages
from sampt_ros.messages.images import labels_from_image
from sampt_ros.streaming.live.view import View

_MAX_KEPT = 30  # Stamps whose images wait for their labels: one second of most cameras.
_RESULT_TIMEOUT = 2.0  # Seconds without results after which images are shown alone; slow presets take one per frame.


@dataclass
class _Parts:
    """The messages received with one stamp."""

    load_image: Callable[[], np.ndarray] | None = None
    labels: Any = None
    objects: Any = None


class Pairing:
    """Collects images, labels and objects in any order, and returns each view once, when it is complete.

    is_paused  whether the user has paused the tracker; the last view then stays
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """clock: seconds."""
        self.is_paused = False
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Discard all messages received so far, and what was shown of them, which is out of date when they go on."""
        self._last: View | None = None
        self._ids: frozenset[int] = frozenset()  # Of the objects in the last view that was complete.
        self._parts: dict[int, _Parts] = {}  # by stamp
        self._completed = self._clock()  # When the last view became complete.

    def image(self, stamp_ns: int, load: Callable[[], np.ndarray]) -> View | None:
        """Add an image, which `load` converts to (H, W, 3) uint8 RGB; returns the view that it completes, if any.

        While no results arrive, the view is the image without objects.
        """
        if self.is_paused:
            self._completed = self._clock()
            return None
        self._of(stamp_ns).load_image = load
        if self._clock() - self._completed > _RESULT_TIMEOUT:
            image = load()
            self._last = View(stamp_ns, image, FrameResult(0, image.shape[:2]), others=self._ids)
            return self._last
        return self._joined(stamp_ns)

    def labels(self, stamp_ns: int, message: Any) -> View | None:
        """Add the labels (sensor_msgs/Image) of an image; returns the view that they complete, if any."""
        self._of(stamp_ns).labels = message
        return self._joined(stamp_ns)

    def objects(self, stamp_ns: int, message: Any) -> View | None:
        """Add the objects (sampt_ros/TrackedObjects) in an image; returns the view that they complete, if any."""
        self._of(stamp_ns).objects = message
        return self._joined(stamp_ns)

    def without_objects(self) -> View | None:
        """The last view as it is after a reset, which has dropped all objects; None before the first view."""
        self._ids = frozenset()
        if self._last is not None:
            self._last = View(self._last.stamp_ns, self._last.image, FrameResult(0, self._last.result.size))
        return self._last

    def _of(self, stamp_ns: int) -> _Parts:
        while len(self._parts) >= _MAX_KEPT and stamp_ns not in self._parts:
            del self._parts[min(self._parts)]
        return self._parts.setdefault(stamp_ns, _Parts())

    def _joined(self, stamp_ns: int) -> View | None:
        """The view of a stamp, if it is complete; older stamps are then discarded."""
        parts = self._parts[stamp_ns]
        if parts.load_image is None or parts.labels is None or parts.objects is None:
            return None
        self._parts = {other: kept for other, kept in self._parts.items() if other > stamp_ns}
        self._completed = self._clock()
        result, positions = result_from_messages(parts.objects, labels_from_image(parts.labels))
        self._ids = frozenset(item.id for item in result.objects)
        self._last = View(stamp_ns, parts.load_image(), result, positions)
        return self._last
