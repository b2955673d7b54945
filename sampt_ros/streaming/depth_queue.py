"""Tracked frames that wait for their depth: masks never do, but what lies in space needs it."""

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

_NO_PAIRS = 5  # frames without depth in a row, while depth comes, after which something is wrong
_RECENT = 30  # images and depth whose times are compared then

_MOST_KEPT = 120  # depth images, whatever the history: one of 1280x720 takes 1.8 MB

_CAMERA_PATIENCE_NS = 1_000_000_000  # of depth, that a recorded frame waits for a CameraInfo

LoadDepth = Callable[[], np.ndarray]  # (H, W) uint16 millimetres or float metres, or raises FrameError


@dataclass(frozen=True)
class Waiting:
    """The facts that a WaitingPolicy decides on: the oldest waiting frame, and the depth received so far.

    time_ns     when that frame was taken
    frames      how many frames wait
    depth_ns    the latest time of any depth image; 0 before the first
    heard       time.perf_counter() when the newest depth image came in; -inf before the first
    has_camera  whether the camera is known, without which depth is of no use
    """

    time_ns: int
    frames: int
    depth_ns: int
    heard: float
    has_camera: bool


class WaitingPolicy(Protocol):
    """Which depth image is a frame's, and how long a frame waits for it.

    slop_ns  an image and its depth may be this far apart
    """

    slop_ns: int

    def match(self, times: Mapping[int, LoadDepth], waiting: Waiting) -> int | None:
        """The time of the frame's depth among the known ones; None: it is not there, or may not be the nearest yet."""

    def is_over(self, waiting: Waiting) -> bool:
        """Whether the frame has waited long enough, and goes on without depth if none matches."""

    def missing(self, times: Mapping[int, LoadDepth], time_ns: int) -> str:
        """What was expected, for people, where a frame has no depth."""


@dataclass
class LiveWaiting:
    """For a running camera, whose images and depth were paired before (by message_filters): latency counts.

    A frame waits until depth of a later time is there, two newer frames wait, or no depth has come for a while.

    slop_ns      an image and its depth may be this far apart
    timeout      seconds without depth after which nothing waits
    max_waiting  frames that may wait at once
    """

    slop_ns: int = 20_000_000
    timeout: float = 1.0
    max_waiting: int = 2

    def match(self, times: Mapping[int, LoadDepth], waiting: Waiting) -> int | None:
        return waiting.time_ns if waiting.time_ns in times else None

    def is_over(self, waiting: Waiting) -> bool:
        is_silent = time.perf_counter() - waiting.heard >= self.timeout
        return is_silent or waiting.depth_ns > waiting.time_ns + self.slop_ns or waiting.frames > self.max_waiting

    def missing(self, times: Mapping[int, LoadDepth], time_ns: int) -> str:
        return ""  # the diagnostics say it


@dataclass
class RecordedWaiting:
    """For a recording: every frame gets the depth that is nearest in time, wherever it stands in the recording.

    A frame waits until depth as late as itself was read and the camera is known, though not for more than ten newer
    frames, nor, for the camera alone, for more than a second of depth.
    """

    slop_ns: int = 20_000_000
    max_waiting: int = 10

    def match(self, times: Mapping[int, LoadDepth], waiting: Waiting) -> int | None:
        if not self.is_over(waiting):
            return None
        nearest = min(times, key=lambda other: abs(other - waiting.time_ns), default=None)
        return None if nearest is None or abs(nearest - waiting.time_ns) > self.slop_ns else nearest

    def is_over(self, waiting: Waiting) -> bool:
        later = waiting.depth_ns - waiting.time_ns
        return waiting.frames > self.max_waiting or later >= (0 if waiting.has_camera else _CAMERA_PATIENCE_NS)

    def missing(self, times: Mapping[int, LoadDepth], time_ns: int) -> str:
        apart = min((abs(other - time_ns) / 1e9 for other in times), default=np.inf)
        return f"depth within {self.slop_ns / 1e9:g} s of each image (depth_slop); got it {apart:.3f} s apart"


@dataclass(frozen=True, eq=False)
class _Entry:
    """A frame that waits, with the camera as it was known when the frame was tracked, and at last its depth."""

    frame: TrackedFrame
    camera: Pinhole | None
    load_depth: LoadDepth | None = None


class DepthQueue:
    """Gives tracked frames their depth, if there is one, and hands them on in order.

    Depth may be added from another thread than the one that adds frames and takes them.

    expects   whether depth is to be expected at all; otherwise no frame waits
    history   seconds that depth is kept, for clicks on older images
    camera    of the images; None before it is known: then nothing is in space
    camera_trouble  why the newest CameraInfo could not be used; empty if it could
    trouble   why the newest depth image could not be used; empty if it could
    with_depth, without_depth  frames handed on while depth was expected
    """

    def __init__(self, policy: WaitingPolicy, failures: Failures, history: float = 1.0, expects: bool = True) -> None:
        self.policy = policy
        self.history = history
        self.expects = expects
        self.camera: Pinhole | None = None
        self.camera_trouble = ""
        self._failures = failures
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all depth and all frames that wait; the camera is kept."""
        with self._lock:
            self._depths: dict[int, LoadDepth] = {}  # by the time of the depth, or of the image that it was paired with
            self._depth_ns = self._image_ns = 0  # the newest times that came
            self._heard = -np.inf
            self._waiting: deque[_Entry] = deque()
            self._settled: deque[_Entry] = deque()
            self._times: deque[int] = deque(maxlen=_RECENT)  # of depth, whether or not it was paired
            self._unpaired: deque[int] = deque(maxlen=_RECENT)  # times of the frames without depth since one had it
        self.trouble = ""
        self.with_depth = self.without_depth = 0

    # --- what comes in ---

    def set_camera(self, camera: Pinhole) -> None:
        """The camera as the newest CameraInfo says."""
        self.camera = camera.or_like(self.camera)

    def note_depth(self, time_ns: int) -> None:
        """A depth image of this time has come, whether or not it is any frame's."""
        with self._lock:
            self._heard = time.perf_counter()
            self._depth_ns = self._after_jump(self._depth_ns, time_ns)
            self._times.append(time_ns)

    def add_depth(self, time_ns: int, load: LoadDepth) -> None:
        """A depth image that may be a frame's; where it was paired with an image, by that image's time."""
        with self._lock:
            oldest = min(time_ns, self._waiting[0].frame.event.time_ns if self._waiting else time_ns)
            oldest -= max(round(self.history * 1e9), self.policy.slop_ns)
            self._depths = {at: kept for at, kept in self._depths.items() if at >= oldest}
            self._depths[time_ns] = load
            while len(self._depths) > _MOST_KEPT:
                del self._depths[min(self._depths)]

    def add_frame(self, frame: TrackedFrame) -> None:
        """A frame is tracked."""
        with self._lock:
            self._image_ns = self._after_jump(self._image_ns, frame.event.time_ns)
            self._waiting.append(_Entry(frame, self.camera))

    # --- what goes out ---

    @property
    def is_waiting(self) -> bool:
        """Whether any frame waits."""
        return bool(self._waiting)

    @property
    def silence(self) -> float:
        """Seconds since the newest depth image came in; infinite before the first."""
        return time.perf_counter() - self._heard

    @property
    def apart(self) -> float | None:
        """Seconds between the last images and the depth nearest to any of them, if depth comes and none has any.

        Within the policy's slop, depth comes too late for its image. None where images have depth, or no depth comes.
        """
        with self._lock:
            if len(self._unpaired) < _NO_PAIRS or not self._times:
                return None
            return min(abs(depth - image) for image in self._unpaired for depth in self._times) / 1e9

    def settled(self) -> Iterator[TrackedFrame]:
        """The frames that need not wait any longer, in order."""
        while (entry := self._next()) is not None:
            yield self._in_space(entry)

    def rest(self) -> Iterator[TrackedFrame]:
        """All frames that are left: nothing more comes."""
        with self._lock:
            while self._waiting:
                self._settle()
        return self.settled()

    def require_in_sight(self, point: np.ndarray, xy: tuple[float, float], time_ns: int, size: tuple[int, int]) -> None:
        """Raise QueryError if depth shows that something hides a point (3,) metres, seen at pixel xy of an image.

        The depth is the latest one up to the image's `time_ns` and no older than `history`. Where there is none, or it
        cannot be used, nothing is known to hide the point. size: the image's (height, width).
        """
        with self._lock:
            oldest, newest = time_ns - round(self.history * 1e9), time_ns + self.policy.slop_ns
            load = self._depths.get(max((at for at in self._depths if oldest <= at <= newest), default=-1))
        if load is None:
            return
        depth = None
        with self._failures.depth() as attempt:
            depth = in_metres(load(), size)
        self.trouble = attempt.reason
        if depth is not None:
            require_in_sight(point, xy, depth)

    # --- under the lock ---

    def _after_jump(self, newest_ns: int, time_ns: int) -> int:
        """The newest time now; after a jump back (a recording that loops), frames from before it stop waiting."""
        if time_ns >= newest_ns - JUMP_NS:
            return max(newest_ns, time_ns)
        while self._waiting and self._waiting[0].frame.event.time_ns > time_ns + JUMP_NS:
            self._settle()
        self._depths = {at: kept for at, kept in self._depths.items() if at <= time_ns + JUMP_NS}
        self._times.clear()
        self._unpaired.clear()
        self._depth_ns = max(self._depths, default=0)
        return time_ns

    def _next(self) -> _Entry | None:
        """The oldest frame that need not wait any longer."""
        with self._lock:
            if not self._settled and self._waiting and self._is_over():
                self._settle()
            return self._settled.popleft() if self._settled else None

    def _is_over(self) -> bool:
        state = self._state()
        return not self.expects or self.policy.match(self._depths, state) is not None or self.policy.is_over(state)

    def _settle(self) -> None:
        """Take the oldest frame that waits, with the depth that it has by now."""
        match = self.policy.match(self._depths, self._state()) if self.expects else None
        load = None if match is None else self._depths[match]
        entry = replace(self._waiting.popleft(), load_depth=load)
        self._settled.append(entry)
        if match is not None:
            self._unpaired.clear()
        elif self._times:
            self._unpaired.append(entry.frame.event.time_ns)

    def _state(self) -> Waiting:
        time_ns = self._waiting[0].frame.event.time_ns
        return Waiting(time_ns, len(self._waiting), self._depth_ns, self._heard, self.camera is not None)

    # --- without the lock ---

    def _in_space(self, entry: _Entry) -> TrackedFrame:
        """A frame with what its depth shows of the objects."""
        if not self.expects:
            return entry.frame
        frame, camera = entry.frame, entry.camera or self.camera
        surfaces = None
        if entry.load_depth is None or camera is None:
            self._tell_missing(frame.event.time_ns, camera)
        else:
            size = frame.result.size
            with self._failures.depth() as attempt:
                depth = in_metres(entry.load_depth(), size)
                surfaces = object_surfaces(frame.result, depth, camera.for_images(size))
                if is_too_far(depth):
                    self._failures.log.repeated(
                        "most of the depth is beyond 200 m: expected metres in 32FC1; these may be millimetres"
                    )
            self.trouble = attempt.reason
        self.with_depth += surfaces is not None
        self.without_depth += surfaces is None
        return replace(frame, surfaces=surfaces)

    def _tell_missing(self, time_ns: int, camera: Pinhole | None) -> None:
        with self._lock:
            missing = self.policy.missing(self._depths, time_ns)
        if missing and camera is None:
            got = f"one that cannot be used: {self.camera_trouble}" if self.camera_trouble else "none"
            missing = f"a CameraInfo of the images; got {got}"
        if missing:
            self._failures.log.repeated(f"no 3D: expected {missing}")
