"""What people click, in an image view or in space, as pixels of the image that they looked at."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sampt_ros.errors import QueryError
from sampt_ros.streaming.depth_queue import DepthQueue
from sampt_ros.streaming.session import Session


class Transforms(Protocol):
    """What moves points between frames."""

    def move(self, xyz: np.ndarray, source: str, target: str, stamp_ns: int, timeout: float) -> np.ndarray:
        """(3,) metres: a point of frame `source` in frame `target` at a time; raises QueryError if that is not known.

        timeout: seconds to wait for the transform.
        """

    def clear(self) -> None:
        """Forget all transforms: time has jumped."""


class NoTransforms:
    """Where transforms are not to be had."""

    def __init__(self, reason: str) -> None:
        """reason: for people, such as "tf2_ros is missing"."""
        self._reason = reason

    def move(self, xyz: np.ndarray, source: str, target: str, stamp_ns: int, timeout: float) -> np.ndarray:
        raise QueryError(f"expected a click in the images' frame {target!r}, as {self._reason}; got one in {source!r}")

    def clear(self) -> None:
        pass


class Clicks:
    """Finds the pixel that a click means.

    frame_id    the images'
    transforms  from other frames to that one
    camera_hint what to do where no CameraInfo has come, for people
    """

    def __init__(self, session: Session, depth: DepthQueue, transforms: Transforms, camera_hint: str) -> None:
        """depth: knows the camera, and what hides a point."""
        self.frame_id = ""
        self.transforms = transforms
        self.camera_hint = camera_hint
        self._session = session
        self._depth = depth

    def in_view(self, x: float, y: float) -> tuple[float, float]:
        """The pixel that a click in rqt_image_view means: at the image's right edge it reports x = width, one too far.

        Raises QueryError before the first image.
        """
        height, width = self._session.size
        return (x - 1 if x == width else x), (y - 1 if y == height else y)

    def in_space(self, xyz: np.ndarray, source: str, stamp_ns: int, timeout: float) -> tuple[tuple[float, float], int]:
        """The pixel at which a point (3,), metres in frame `source`, is seen, and the stamp of the image.

        That image is the one that was current at `stamp_ns` (0: the newest). timeout: seconds to wait for a transform.
        Raises QueryError if something nearer hides the point, it is not in the image, or camera or transform are not
        known.
        """
        stamp_ns = self._session.stamp_current_at(stamp_ns)
        point = xyz
        if source not in ("", self.frame_id):
            point = self.transforms.move(xyz, source, self.frame_id, stamp_ns, timeout)
        camera = self._depth.camera
        if camera is None:
            refused = self._depth.camera_trouble
            got = f"one that cannot be used: {refused}" if refused else "none"
            raise QueryError(f"expected a CameraInfo of these images {self.camera_hint} before a 3D click; got {got}")
        xy = camera.for_images(self._session.size).project_point(point)
        self._depth.require_in_sight(point, xy, stamp_ns, self._session.size)
        return xy, stamp_ns
