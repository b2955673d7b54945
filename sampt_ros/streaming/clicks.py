"""Clicks in an image view or in 3D, converted to pixels of the image that the user was looking at."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sampt_ros.errors import QueryError
from sampt_ros.streaming.depth_queue import DepthQueue
from sampt_ros.streaming.session import Session


class Transforms(Protocol):
    """A source of transforms between coordinate frames, such as TF."""

    def transform_point(self, xyz: np.ndarray, source: str, target: str, stamp_ns: int, timeout: float) -> np.ndarray:
        """Transform a point (3,), metres, from frame `source` to frame `target` at time `stamp_ns`.

        timeout: seconds to wait for the transform. Raises QueryError if it is not available.
        """

    def clear(self) -> None:
        """Forget all transforms, because time has jumped."""


class NoTransforms:
    """The source of transforms where there is none: it refuses every point, with the reason."""

    def __init__(self, reason: str) -> None:
        """reason: goes into the error message, such as "tf2_ros is missing"."""
        self._reason = reason

    def transform_point(self, xyz: np.ndarray, source: str, target: str, stamp_ns: int, timeout: float) -> np.ndarray:
        raise QueryError(f"expected a click in the images' frame {target!r}, as {self._reason}; got one in {source!r}")

    def clear(self) -> None:
        pass


class Clicks:
    """Converts clicks to image pixels.

    frame_id    frame_id of the images
    transforms  source of transforms into that frame
    camera_hint where CameraInfo is expected, for error messages: "on /camera/camera_info"
    has_3d      whether a click in 3D was made
    """

    def __init__(self, session: Session, depth: DepthQueue, transforms: Transforms, camera_hint: str) -> None:
        """depth: supplies the camera model, and the depth images that show whether a point is occluded."""
        self.frame_id = ""
        self.transforms = transforms
        self.camera_hint = camera_hint
        self.has_3d = False
        self._session = session
        self._depth = depth

    def in_view(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a click in rqt_image_view, which reports x = width, one too far, at the right edge.

        Raises QueryError before the first image.
        """
        height, width = self._session.size
        return (x - 1 if x == width else x), (y - 1 if y == height else y)

    def in_space(self, xyz: np.ndarray, source: str, stamp_ns: int, timeout: float) -> tuple[float, float]:
        """Project a point (3,), metres in frame `source`; returns the pixel xy in the image that was clicked.

        That image is the one that was current at `stamp_ns` (0: the newest). timeout: seconds to wait for a transform.
        Raises QueryError if the point is not finite, is occluded or outside the image, or if the camera or the
        transform is unknown.
        """
        self.has_3d = True
        if not np.isfinite(xyz).all():
            raise QueryError(f"expected a click with finite coordinates; got ({', '.join(f'{x:g}' for x in xyz)})")
        stamp_ns = self._session.stamp_current_at(stamp_ns)
        point = xyz
        if source not in ("", self.frame_id):
            point = self.transforms.transform_point(xyz, source, self.frame_id, stamp_ns, timeout)
        camera = self._depth.camera
        if camera is None:
            error = self._depth.camera_error
            got = f"one that cannot be used: {error}" if error else "none"
            raise QueryError(f"expected a CameraInfo of these images {self.camera_hint} before a 3D click; got {got}")
        xy = camera.for_images(self._session.size).project_point(point)
        self._depth.require_in_sight(point, xy, stamp_ns, self._session.size)
        return xy
