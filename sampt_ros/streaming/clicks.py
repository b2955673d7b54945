"""What people click, in an image view or in space, as queries about the image that they looked at. No ROS in it."""

from __future__ import annotations

import numpy as np

from sampt_ros.config.live import Settings
from sampt_ros.data_types import POSITIVE
from sampt_ros.errors import QueryError
from sampt_ros.ros.tf import Transforms
from sampt_ros.streaming.depth_stream import DepthStream
from sampt_ros.streaming.session import Session


class Clicks:
    """Answers clicks.

    frame_id    the newest image's
    transforms  None where tf2_ros is missing
    """

    def __init__(self, settings: Settings, depth: DepthStream, camera_info: str) -> None:
        """depth: knows the camera, and what hides a point; camera_info: the topic, for people."""
        self._settings, self._depth, self._camera_info = settings, depth, camera_info
        self.frame_id = ""
        self.transforms: Transforms | None = None

    def in_view(self, session: Session, x: float, y: float) -> str:
        """A click at a pixel of the newest image; returns what was done. Raises QueryError."""
        return session.click(mouse_pixel(x, y, session.size), POSITIVE, self._extend)

    def in_space(self, session: Session, label: int, xyz: np.ndarray, source: str, stamp_ns: int) -> str:
        """A click at a point (3,), metres in frame `source`; returns what was done. Raises QueryError.

        It is about the image that was current at `stamp_ns` (0: the newest), and refused if it hides the point.
        """
        stamp_ns = session.stamp_current_at(stamp_ns)
        camera = self._depth.camera
        if camera is None:
            raise QueryError(f"expected CameraInfo on {self._camera_info} before a 3D click")
        point = self._in_camera(xyz, source, stamp_ns)
        xy = camera.for_images(session.size).project_point(point)
        self._depth.require_in_sight(point, xy, stamp_ns, session.size)
        return session.click(xy, label, self._extend, stamp_ns)

    @property
    def _extend(self) -> bool:
        return self._settings.node.clicks == "last_object"

    def _in_camera(self, xyz: np.ndarray, source: str, stamp_ns: int) -> np.ndarray:
        """(3,) metres: the point in the camera's optical frame at the time of the image."""
        if source in ("", self.frame_id):
            return xyz
        if self.transforms is None:
            raise QueryError(f"expected a click in frame {self.frame_id!r}, as tf2_ros is missing; got {source!r}")
        return self.transforms.move(xyz, source, self.frame_id, stamp_ns, self._settings.node.tf_timeout)


def mouse_pixel(x: float, y: float, size: tuple[int, int]) -> tuple[float, float]:
    """The pixel that rqt_image_view's mouse topic means: at the right and lower border it may be one too far.

    size: the image's (height, width)
    """
    height, width = size
    return (x - 1 if x == width else x), (y - 1 if y == height else y)
