"""Joins images with the results of the tracking node, by their stamps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.messages.fields import result_from_messages
from sampt_ros.messages.images import labels_from_image
from sampt_ros.streaming.live.view import View

_MAX_KEPT = 30  # Stamps whose images wait for their labels: one second of most cameras.
_RESULT_TIMEOUT = 2.0  # Seconds without results after which images are shown alone; slow presets take one per frame.
_LATE_RESULTS = 5  # Largest number of results that may be on their way from before an object started.


@dataclass
class _Parts:
    """The messages received with one stamp.

    images  usually one. Of a camera that does not stamp its images, the one whose result is expected and the newest,
            which the node takes next: it skips those in between
    """

    images: list[Callable[[], np.ndarray]] = field(default_factory=list)
    labels: Any = None
    objects: Any = None


class Pairing:
    """Collects images, labels and objects in any order, and returns each view once, when it is complete.

    What came before a complete view is discarded then, whatever its stamp, since time may jump back.

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
        self._ids: frozenset[int] = frozenset()  # Of the objects in the last view that was complete, or started since.
        self._started: dict[int, int] = {}  # By the id of an object in no result yet, how many may come without it.
        self._parts: dict[int, _Parts] = {}  # By stamp, in order of arrival.
        self._image_ns: int | None = None  # Stamp of the newest image.
        self._completed = self._clock()  # When the last view became complete.

    def image(self, stamp_ns: int, load: Callable[[], np.ndarray]) -> View | None:
        """Add an image, which `load` converts to (H, W, 3) uint8 RGB; returns the view that it completes, if any.

        While no results arrive, the view is the image without objects.
        """
        has_no_stamps, self._image_ns = stamp_ns == self._image_ns, stamp_ns
        if stamp_ns in self._parts and self._parts[stamp_ns].images and (self.is_paused or not has_no_stamps):
            del self._parts[stamp_ns]  # It was not tracked before the pause, or is from before a jump back in time.
        if self.is_paused:
            self._completed = self._clock()
            return None
        parts = self._of(stamp_ns)
        parts.images = [*parts.images[:1], load]
        view = self._joined(stamp_ns)
        if view is not None or self._clock() - self._completed <= _RESULT_TIMEOUT:
            return view
        parts.images = [load]
        image = load()
        self._last = View(stamp_ns, image, FrameResult(0, image.shape[:2]), others=self._ids)
        return self._last

    def labels(self, stamp_ns: int, message: Any) -> View | None:
        """Add the labels (sensor_msgs/Image) of an image; returns the view that they complete, if any."""
        if not self._is_expected(stamp_ns):
            return None
        self._of(stamp_ns).labels = message
        return self._joined(stamp_ns)

    def objects(self, stamp_ns: int, message: Any) -> View | None:
        """Add the objects (sampt_ros/TrackedObjects) in an image; returns the view that they complete, if any."""
        if not self._is_expected(stamp_ns):
            return None
        self._of(stamp_ns).objects = message
        return self._joined(stamp_ns)

    def without_objects(self) -> View | None:
        """The last view as it is after a reset, which has dropped all objects; None before the first view."""
        self._ids, self._started = frozenset(), {}
        if self._last is not None:
            self._last = View(self._last.stamp_ns, self._last.image, FrameResult(0, self._last.result.size))
        return self._last

    def started(self, object_id: int) -> View | None:
        """The last view as it is when an object has started since; None before the first view."""
        if object_id not in self._ids:
            self._started[object_id] = _LATE_RESULTS
            self._ids |= {object_id}
        if self._last is not None:
            self._last = replace(self._last, others=self._last.others | self._started.keys())
        return self._last

    def _is_expected(self, stamp_ns: int) -> bool:
        """Whether a result may be shown; else it is of an image without a stamp that did not come, not of the next."""
        return stamp_ns in self._parts or self._last is None or stamp_ns != self._last.stamp_ns

    def _of(self, stamp_ns: int) -> _Parts:
        while len(self._parts) >= _MAX_KEPT and stamp_ns not in self._parts:
            del self._parts[next(iter(self._parts))]
        return self._parts.setdefault(stamp_ns, _Parts())

    def _joined(self, stamp_ns: int) -> View | None:
        """The view of a stamp, if it is complete; what came before it is then discarded."""
        parts = self._parts[stamp_ns]
        if not parts.images or parts.labels is None or parts.objects is None:
            return None
        load, *next_images = parts.images
        stamps = list(self._parts)
        self._parts = {later: self._parts[later] for later in stamps[stamps.index(stamp_ns) + 1 :]}
        if next_images:
            self._parts[stamp_ns] = _Parts(next_images)
        self._completed = self._clock()
        result, positions = result_from_messages(parts.objects, labels_from_image(parts.labels))
        found = frozenset(item.id for item in result.objects)
        self._started = {name: left - 1 for name, left in self._started.items() if left and name not in found}
        others = frozenset(self._started)
        self._ids = found | others
        self._last = View(stamp_ns, load(), result, positions, others)
        return self._last
