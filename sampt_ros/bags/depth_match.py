"""Depth for the images of a bag: of the depth images recorded around each, the nearest in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from sampt_ros.bags.recorder import TrackedImage
from sampt_ros.errors import INFERENCE_ERRORS, SamPtError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.geometry.surfaces import ObjectSurface, in_metres, object_surfaces, require_in_sight
from sampt_ros.streaming.session import JUMP_NS

_PATIENCE = 10  # images that may wait for depth
_HISTORY_NS = 1_000_000_000  # depth is kept for so long before the oldest image that waits


class BagDepth:
    """Gives every tracked image its depth, if there is one, and hands the images on in order.

    An image waits until a depth image as late as itself was read, and the CameraInfo, unless ten newer ones wait: so
    what it gets does not depend on how fast anything is. Times are ns, of the header, or of the recording where that
    has none.

    camera  of the images; None before it is known: then nothing is in space
    """

    def __init__(self, expected: bool, slop: float, tell: Callable[[str], None]) -> None:
        """expected: whether the bag has depth at all; slop: seconds that an image and its depth may be apart.

        tell: is given the reason why an image has no depth
        """
        self.camera: Pinhole | None = None
        self._expected, self._slop_ns, self._tell = expected, round(slop * 1e9), tell
        self._heard: dict[int, np.ndarray] = {}  # depth as in_metres takes it, by its time
        self._waiting: deque[tuple[int, TrackedImage, Pinhole | None]] = deque()  # each with the camera of its time
        self._ready: deque[TrackedImage] = deque()
        self._image_ns = self._depth_ns = 0  # the newest

    def see(self, camera: Pinhole) -> None:
        """The camera as the newest CameraInfo says."""
        self.camera = camera.or_like(self.camera)

    def hear(self, time_ns: int, depth: np.ndarray) -> None:
        """A depth image (H, W), uint16 millimetres or float32 metres."""
        self._depth_ns = self._follow_jump(self._depth_ns, time_ns)
        oldest = min(time_ns, self._waiting[0][0] if self._waiting else time_ns) - _HISTORY_NS
        self._heard = {at: kept for at, kept in self._heard.items() if at >= oldest}
        self._heard[time_ns] = depth
        self._release()

    def add(self, time_ns: int, tracked: TrackedImage) -> None:
        """An image is tracked."""
        self._image_ns = self._follow_jump(self._image_ns, time_ns)
        self._waiting.append((time_ns, tracked, self.camera))
        self._release()

    def settled(self) -> Iterator[TrackedImage]:
        """The images that need not wait any longer."""
        while self._ready:
            yield self._ready.popleft()

    def rest(self) -> Iterator[TrackedImage]:
        """All images that are left: nothing more comes."""
        while self._waiting:
            self._hand_on()
        return self.settled()

    def require_in_sight(self, point: np.ndarray, xy: tuple[float, float], time_ns: int, size: tuple[int, int]) -> None:
        """Raise QueryError if depth shows that something hides a point (3,) metres, seen at pixel xy of an image.

        time_ns, size (height, width): of the image. Without its depth nothing is known to hide the point.
        """
        depth = self._nearest(time_ns)
        if depth is not None:
            require_in_sight(point, xy, in_metres(depth, size))

    def _follow_jump(self, newest_ns: int, time_ns: int) -> int:
        """The newest time of images, or of depth; after a jump back (a bag of a loop) what is of before is done."""
        if time_ns >= newest_ns - JUMP_NS:
            return max(newest_ns, time_ns)
        while self._waiting and self._waiting[0][0] > time_ns + JUMP_NS:
            self._hand_on()
        self._heard = {at: kept for at, kept in self._heard.items() if at <= time_ns + JUMP_NS}
        return time_ns

    def _release(self) -> None:
        while self._waiting and self._is_settled():
            self._hand_on()

    def _hand_on(self) -> None:
        time_ns, tracked, camera = self._waiting.popleft()
        self._ready.append(replace(tracked, found=self._in_space(time_ns, tracked, camera or self.camera)))

    def _is_settled(self) -> bool:
        """Whether the oldest image that waits has waited long enough."""
        if not self._expected or len(self._waiting) > _PATIENCE:
            return True
        later = max(self._heard, default=-1) - self._waiting[0][0]
        return later >= (0 if self.camera is not None else JUMP_NS)  # a CameraInfo is not waited for forever

    def _in_space(self, time_ns: int, tracked: TrackedImage, camera: Pinhole | None) -> dict[int, ObjectSurface] | None:
        if not self._expected:
            return None
        depth = self._nearest(time_ns)
        try:
            if depth is None or camera is None:
                self._tell(f"no 3D: expected {self._missing(time_ns, camera)}")
                return None
            size = tracked.result.size
            return object_surfaces(tracked.result, in_metres(depth, size), camera.for_images(size))
        except (SamPtError, *INFERENCE_ERRORS) as error:
            self._tell(f"no 3D: {error}")
            return None

    def _nearest(self, time_ns: int) -> np.ndarray | None:
        """The depth image nearest in time, or None where there is none within the slop."""
        at = min(self._heard, key=lambda other: abs(other - time_ns), default=None)
        return None if at is None or abs(at - time_ns) > self._slop_ns else self._heard[at]

    def _missing(self, time_ns: int, camera: Pinhole | None) -> str:
        if camera is None:
            return "a CameraInfo of the images; got none that can be used"
        apart = min((abs(at - time_ns) / 1e9 for at in self._heard), default=np.inf)
        return f"depth within {self._slop_ns / 1e9:g} s of each image (--depth-slop); got it {apart:.3f} s apart"
