"""Depth for the frames that are tracked: paired by message_filters, never waited for by the masks. No ROS in it."""

from __future__ import annotations

import importlib
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.errors import INFERENCE_ERRORS, ConfigError, SamPtError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.geometry.surfaces import ObjectSurface, in_metres, object_surfaces, require_in_sight
from sampt_ros.streaming.session import JUMP_NS
from sampt_ros.streaming.tracked_frame import Tracked

_QUEUE = 10  # messages of either kind that wait for their partner
_PATIENCE = 2  # frames that may wait for their depth


@dataclass(frozen=True, eq=False)
class _Stamped:
    """All that message_filters needs of an image."""

    header: Any


class DepthStream:
    """Gives every tracked frame its depth, if there is one, and hands it on in order.

    A frame whose depth is not there yet waits for it. It is handed on without as soon as the depth of a later time is
    there, two newer frames wait, or there has been no depth for a while.

    camera   of the images; None before it is known: then nothing is in space
    timeout  seconds without depth after which nothing waits
    history  seconds that depth is kept for clicks that name an older image
    """

    def __init__(
        self,
        done: Callable[[Tracked, dict[int, ObjectSurface] | None], None],
        wake: Callable[[], None],
        convert: Callable[[Any], np.ndarray],
        stamp_ns: Callable[[Any], int],
    ) -> None:
        """done: is given every frame and what its depth shows, None without; wake: lets the worker call `release`.

        convert: a depth message as `in_metres` takes it; stamp_ns: the time of a header.
        """
        self._done, self._wake, self._convert, self._stamp_ns = done, wake, convert, stamp_ns
        self.camera: Pinhole | None = None
        self.timeout = self.history = 1.0
        self.stop()

    def stop(self) -> None:
        """Hand on every frame at once, without depth."""
        self._lock = threading.Lock()
        self._inputs: tuple[Any, Any] | None = None  # what message_filters pairs: images, depth
        self._slop_ns = 0
        self._paired: dict[int, Any] = {}  # depth messages by their image's time
        self._waiting: deque[Tracked] = deque()
        self._newest_ns = self._depth_ns = 0  # of images and depth, of depth alone
        self._heard = -np.inf  # time.perf_counter() of the newest depth
        self._with = self._without = 0  # frames handed on
        self._trouble = ""

    def start(self, slop: float) -> None:
        """Pair what is at most `slop` seconds apart; raises ConfigError where message_filters is missing."""
        self.stop()
        self._slop_ns = round(slop * 1e9)
        self._pair_anew()

    def _pair_anew(self) -> None:
        try:
            filters = importlib.import_module("message_filters")
        except ImportError:
            self._trouble = "message_filters is not installed (ros-$ROS_DISTRO-message-filters): there is no 3D output"
            raise ConfigError(self._trouble) from None
        inputs = filters.SimpleFilter(), filters.SimpleFilter()
        pairs = filters.ApproximateTimeSynchronizer(inputs, _QUEUE, self._slop_ns / 1e9)
        pairs.registerCallback(self._on_pair)
        self._inputs = inputs

    # --- what comes in ---

    def see(self, camera: Pinhole) -> None:
        """The camera as the newest CameraInfo says."""
        self.camera = camera.or_like(self.camera)

    def hear(self, message: Any) -> None:
        """A depth message."""
        if self._inputs is None:
            return
        self._heard, self._depth_ns = time.perf_counter(), self._stamp_ns(message.header)
        self._check_time(self._depth_ns)
        self._inputs[1].signalMessage(message)
        self.wake_if_waiting()

    def expect(self, header: Any) -> None:
        """The worker begins with the image that has this header."""
        if self._inputs is None:
            return
        self._check_time(self._stamp_ns(header))
        self._inputs[0].signalMessage(_Stamped(header))

    def _check_time(self, stamp_ns: int) -> None:
        """Begin anew after a jump back: message_filters would drop what is older than all of its queue."""
        with self._lock:
            if stamp_ns < self._newest_ns - JUMP_NS:
                self._paired.clear()
                self._pair_anew()
                self._newest_ns = stamp_ns
            self._newest_ns = max(self._newest_ns, stamp_ns)

    def _on_pair(self, image: _Stamped, depth: Any) -> None:
        with self._lock:
            stamp = self._stamp_ns(image.header)
            self._paired[stamp] = depth
            for old in [other for other in self._paired if other < stamp - self.history * 1e9]:
                del self._paired[old]

    # --- the worker's thread ---

    def add(self, frame: Tracked) -> None:
        """A frame is tracked."""
        self._waiting.append(frame)
        self.release()

    def release(self) -> None:
        """Hand on the frames that need not wait any longer."""
        while self._waiting:
            with self._lock:
                message = self._paired.get(self._waiting[0].stamp_ns)
            if message is None and self._worth_waiting():
                return
            frame = self._waiting.popleft()
            found = None if message is None else self._in_space(frame, message)
            if self._inputs is not None:
                self._with, self._without = self._with + (found is not None), self._without + (found is None)
            self._done(frame, found)

    def require_in_sight(
        self, point: np.ndarray, xy: tuple[float, float], stamp_ns: int, size: tuple[int, int]
    ) -> None:
        """Raise QueryError if depth shows that something hides a point (3,) metres, seen at pixel xy.

        The depth is that of the last tracked image up to `stamp_ns`, no older than `history`; without one nothing is
        known to hide the point.
        """
        with self._lock:
            stamps = [stamp for stamp in self._paired if 0 <= stamp_ns - stamp <= self.history * 1e9]
            message = self._paired[max(stamps)] if stamps else None
        depth = None if message is None else self._metres(message, size)
        if depth is not None:
            require_in_sight(point, xy, depth)

    def wake_if_waiting(self) -> None:
        """See to it that no frame waits forever; may be called from any thread."""
        if self._waiting:
            self._wake()

    def _worth_waiting(self) -> bool:
        due = self._waiting[0].stamp_ns + self._slop_ns
        return self._is_heard() and self._depth_ns <= due and len(self._waiting) <= _PATIENCE

    def _is_heard(self) -> bool:
        return self._inputs is not None and time.perf_counter() - self._heard < self.timeout

    def _in_space(self, frame: Tracked, message: Any) -> dict[int, ObjectSurface] | None:
        depth = self._metres(message, frame.result.size)
        if depth is None or self.camera is None:
            return None
        try:
            found = object_surfaces(frame.result, depth, self.camera.for_images(frame.result.size))
        except (SamPtError, *INFERENCE_ERRORS) as error:
            self._trouble = str(error)
            return None
        self._trouble = ""
        return found

    def _metres(self, message: Any, size: tuple[int, int]) -> np.ndarray | None:
        """(H, W) float32 metres, or None for depth that cannot be used."""
        try:
            return in_metres(self._convert(message), size)
        except SamPtError as error:
            self._trouble = str(error)
            return None

    # --- for the diagnostics ---

    def trouble(self, topic: str, camera_info: str) -> str:
        """Why there is no 3D output; empty where there is, or where none is asked for."""
        if self._inputs is not None and not self._is_heard():
            silence = time.perf_counter() - self._heard
            return f"no depth on {topic} {'yet' if np.isinf(silence) else f'for {silence:.1f} s'}: 2D only"
        if self._inputs is not None and self.camera is None:
            return f"depth, but no CameraInfo on {camera_info}: 2D only"
        return f"{self._trouble}: 2D only" if self._trouble else ""

    def summary(self) -> dict[str, str]:
        """Counts in words."""
        return {"frames with depth / without": f"{self._with} / {self._without}"} if self._inputs else {}
