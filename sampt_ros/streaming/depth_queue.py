"""Matches tracked frames with their depth images. Masks are published without waiting; 3D output waits here."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from sampt_ros.geometry.camera import Pinhole
from sampt_ros.geometry.surfaces import in_metres, is_too_far, object_surfaces, require_in_sight
from sampt_ros.streaming.continuity import JUMP_NS
from sampt_ros.streaming.failures import Failures
from sampt_ros.streaming.tracked_frame import TrackedFrame

_UNPAIRED_LIMIT = 5  # consecutive frames without depth, while depth arrives, that indicate a problem
_RECENT = 30  # images and depth images whose times are compared to diagnose it

_MAX_KEPT = 120  # depth images kept, whatever the history: one of 1280x720 takes 1.8 MB

_CAMERA_TIMEOUT_NS = 1_000_000_000  # how far depth may be ahead while a recorded frame waits for a CameraInfo

LoadDepth = Callable[[], np.ndarray]  # returns (H, W) uint16 millimetres or float metres; raises FrameError


@dataclass(frozen=True)
class QueueState:
    """What a WaitingPolicy decides on: the oldest waiting frame, and the depth received so far.

    time_ns     when that frame was taken
    frames      number of waiting frames
    depth_ns    the latest time of any depth image; 0 before the first
    received    time.perf_counter() when the newest depth image came in; -inf before the first
    has_camera  whether the camera model is known, without which depth is of no use
    """

    time_ns: int
    frames: int
    depth_ns: int
    received: float
    has_camera: bool


class WaitingPolicy(Protocol):
    """Decides which depth image belongs to a frame, and how long a frame waits for it.

    slop_ns  largest difference in time between an image and its depth
    """

    slop_ns: int

    def match(self, times: Mapping[int, LoadDepth], state: QueueState) -> int | None:
        """The time of the frame's depth image; None if it is missing, or if a nearer one may still come."""

    def is_over(self, state: QueueState) -> bool:
        """Whether the frame has waited long enough, and goes on without depth if none matches."""

    def missing(self, times: Mapping[int, LoadDepth], time_ns: int) -> str:
        """What was expected for a frame that has no depth, for the log; empty if there is nothing to log."""


@dataclass
class LiveWaiting:
    """For a live camera, where latency matters; images and depth have been paired already, by message_filters.

    A frame waits until depth of a later time has arrived, two newer frames wait, or no depth has come for a while.

    slop_ns      largest difference in time between an image and its depth
    timeout      seconds without depth after which no frame waits
    max_waiting  number of frames that may wait at once
    """

    slop_ns: int = 20_000_000
    timeout: float = 1.0
    max_waiting: int = 2

    def match(self, times: Mapping[int, LoadDepth], state: QueueState) -> int | None:
        return state.time_ns if state.time_ns in times else None

    def is_over(self, state: QueueState) -> bool:
        is_silent = time.perf_counter() - state.received >= self.timeout
        return is_silent or state.depth_ns > state.time_ns + self.slop_ns or state.frames > self.max_waiting

    def missing(self, times: Mapping[int, LoadDepth], time_ns: int) -> str:
        return ""  # reported in the diagnostics instead


@dataclass
class RecordedWaiting:
    """For a recording: every frame gets the depth image nearest in time, in whatever order they were recorded.

    A frame waits until depth at least as late as the frame has been read and the camera model is known, but for no more
    than ten newer frames, and for the camera model alone no more than one second of depth.
    """

    slop_ns: int = 20_000_000
    max_waiting: int = 10

    def match(self, times: Mapping[int, LoadDepth], state: QueueState) -> int | None:
        if not self.is_over(state):
            return None
        nearest = min(times, key=lambda other: abs(other - state.time_ns), default=None)
        return None if nearest is None or abs(nearest - state.time_ns) > self.slop_ns else nearest

    def is_over(self, state: QueueState) -> bool:
        lead = state.depth_ns - state.time_ns
        return state.frames > self.max_waiting or lead >= (0 if state.has_camera else _CAMERA_TIMEOUT_NS)

    def missing(self, times: Mapping[int, LoadDepth], time_ns: int) -> str:
        apart = min((abs(other - time_ns) / 1e9 for other in times), default=np.inf)
        return f"depth within {self.slop_ns / 1e9:g} s of each image (depth_slop); got it {apart:.3f} s apart"


@dataclass(frozen=True, eq=False)
class _Entry:
    """A waiting frame, the camera model known when it was tracked, and its depth once that is matched."""

    frame: TrackedFrame
    camera: Pinhole | None
    load_depth: LoadDepth | None = None


class DepthQueue:
    """Matches tracked frames with their depth images, and releases them in order.

    Depth may be added from a different thread than the one that adds and takes frames.

    expects_depth  whether depth is expected at all; otherwise no frame waits
    history        seconds that depth is kept, for clicks on older images
    camera         camera model of the images; None before it is known, when there is no 3D output
    camera_error   why the newest CameraInfo could not be used; empty if it could
    depth_error    why the newest depth image could not be used; empty if it could
    with_depth, without_depth  number of frames released while depth was expected
    """

    def __init__(
        self, policy: WaitingPolicy, failures: Failures, history: float = 1.0, expects_depth: bool = True
    ) -> None:
        self.policy = policy
        self.history = history
        self.expects_depth = expects_depth
        self.camera: Pinhole | None = None
        self.camera_error = ""
        self._failures = failures
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Discard all depth and all waiting frames; the camera model is kept."""
        with self._lock:
            self._depths: dict[int, LoadDepth] = {}  # by the time of the depth, or of the image that it was paired with
            self._depth_ns = self._image_ns = 0  # the newest times so far
            self._received = -np.inf
            self._waiting: deque[_Entry] = deque()
            self._ready: deque[_Entry] = deque()
            self._times: deque[int] = deque(maxlen=_RECENT)  # of the latest depth images, paired or not
            self._unpaired: deque[int] = deque(maxlen=_RECENT)  # of the frames without depth since the last with depth
        self.depth_error = ""
        self.with_depth = self.without_depth = 0

    # Input

    def set_camera(self, camera: Pinhole) -> None:
        """Set the camera model of the newest CameraInfo."""
        self.camera = camera.or_like(self.camera)

    def note_depth(self, time_ns: int) -> None:
        """Record that a depth image of this time was received, whether or not it matches a frame."""
        with self._lock:
            self._received = time.perf_counter()
            self._depth_ns = self._after_jump(self._depth_ns, time_ns)
            self._times.append(time_ns)

    def add_depth(self, time_ns: int, load: LoadDepth) -> None:
        """Add a depth image that may match a frame; if it was paired with an image, time_ns is that image's time."""
        with self._lock:
            oldest = min(time_ns, self._waiting[0].frame.event.time_ns if self._waiting else time_ns)
            oldest -= max(round(self.history * 1e9), self.policy.slop_ns)
            self._depths = {at: kept for at, kept in self._depths.items() if at >= oldest}
            self._depths[time_ns] = load
            while len(self._depths) > _MAX_KEPT:
                del self._depths[min(self._depths)]

    def add_frame(self, frame: TrackedFrame) -> None:
        """Add a tracked frame, which waits for its depth from now on."""
        with self._lock:
            self._image_ns = self._after_jump(self._image_ns, frame.event.time_ns)
            self._waiting.append(_Entry(frame, self.camera))

    # Output

    @property
    def is_waiting(self) -> bool:
        """Whether any frame waits."""
        return bool(self._waiting)

    @property
    def depth_age(self) -> float:
        """Seconds since the newest depth image came in; infinite before the first."""
        return time.perf_counter() - self._received

    @property
    def time_offset(self) -> float | None:
        """Smallest difference in seconds between recent images and depth, if depth arrives and no image has any.

        If it is within the policy's slop, depth arrives too late. None while images have depth, or no depth arrives.
        """
        with self._lock:
            if len(self._unpaired) < _UNPAIRED_LIMIT or not self._times:
                return None
            return min(abs(depth - image) for image in self._unpaired for depth in self._times) / 1e9

    def ready_frames(self) -> Iterator[TrackedFrame]:
        """Take the frames that need not wait any longer, in order."""
        while (entry := self._next()) is not None:
            yield self._with_surfaces(entry)

    def remaining_frames(self) -> Iterator[TrackedFrame]:
        """Take all frames that are left, at the end of the stream."""
        with self._lock:
            while self._waiting:
                self._release()
        return self.ready_frames()

    def require_in_sight(self, point: np.ndarray, xy: tuple[float, float], time_ns: int, size: tuple[int, int]) -> None:
        """Raise QueryError if depth shows that a point (3,), metres, projected to pixel xy, is occluded.

        Uses the latest depth up to the image's `time_ns` and no older than `history`. Without usable depth the point
        counts as visible. size: the image's (height, width).
        """
        with self._lock:
            oldest, newest = time_ns - round(self.history * 1e9), time_ns + self.policy.slop_ns
            load = self._depths.get(max((at for at in self._depths if oldest <= at <= newest), default=-1))
        if load is None:
            return
        depth = None
        with self._failures.depth() as attempt:
            depth = in_metres(load(), size)
        self.depth_error = attempt.reason
        if depth is not None:
            require_in_sight(point, xy, depth)

    # Under the lock

    def _after_jump(self, newest_ns: int, time_ns: int) -> int:
        """The newest time after `time_ns`; on a jump back (a looping recording), frames from before it are released."""
        if time_ns >= newest_ns - JUMP_NS:
            return max(newest_ns, time_ns)
        while self._waiting and self._waiting[0].frame.event.time_ns > time_ns + JUMP_NS:
            self._release()
        self._depths = {at: kept for at, kept in self._depths.items() if at <= time_ns + JUMP_NS}
        self._times.clear()
        self._unpaired.clear()
        self._depth_ns = max(self._depths, default=0)
        return time_ns

    def _next(self) -> _Entry | None:
        """Take the oldest frame that need not wait any longer, if there is one."""
        with self._lock:
            if not self._ready and self._waiting and self._is_over():
                self._release()
            return self._ready.popleft() if self._ready else None

    def _is_over(self) -> bool:
        state = self._state()
        return (
            not self.expects_depth or self.policy.match(self._depths, state) is not None or self.policy.is_over(state)
        )

    def _release(self) -> None:
        """Release the oldest waiting frame, with the depth that matches it now, if any."""
        match = self.policy.match(self._depths, self._state()) if self.expects_depth else None
        load = None if match is None else self._depths[match]
        entry = replace(self._waiting.popleft(), load_depth=load)
        self._ready.append(entry)
        if match is not None:
            self._unpaired.clear()
        elif self._times:
            self._unpaired.append(entry.frame.event.time_ns)

    def _state(self) -> QueueState:
        time_ns = self._waiting[0].frame.event.time_ns
        return QueueState(time_ns, len(self._waiting), self._depth_ns, self._received, self.camera is not None)

    # Without the lock

    def _with_surfaces(self, entry: _Entry) -> TrackedFrame:
        """The frame of an entry with the surfaces of its objects, if it has depth."""
        if not self.expects_depth:
            return entry.frame
        frame, camera = entry.frame, entry.camera or self.camera
        surfaces = None
        if entry.load_depth is None or camera is None:
            self._log_missing(frame.event.time_ns, camera)
        else:
            size = frame.result.size
            with self._failures.depth() as attempt:
                depth = in_metres(entry.load_depth(), size)
                surfaces = object_surfaces(frame.result, depth, camera.for_images(size))
                if is_too_far(depth):
                    self._failures.log.repeated(
                        "most of the depth is beyond 200 m: expected metres in 32FC1; these may be millimetres"
                    )
            self.depth_error = attempt.reason
        self.with_depth += surfaces is not None
        self.without_depth += surfaces is None
        return replace(frame, surfaces=surfaces)

    def _log_missing(self, time_ns: int, camera: Pinhole | None) -> None:
        with self._lock:
            missing = self.policy.missing(self._depths, time_ns)
        if missing and camera is None:
            got = f"one that cannot be used: {self.camera_error}" if self.camera_error else "none"
            missing = f"a CameraInfo of the images; got {got}"
        if missing:
            self._failures.log.repeated(f"no 3D: expected {missing}")
