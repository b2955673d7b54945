"""Reads RGB-D recordings with poses, in which the true position of a static point in every frame is known.

Folders hold camera-intrinsics.txt (3x3, pixels) and, of every frame, frame-NNNNNN.color.jpg, frame-NNNNNN.depth.png
(16 bits, millimetres, 0 or 65535 where unknown) and frame-NNNNNN.pose.txt (4x4, camera to world, metres). The depth is
registered to the colour: both have the same size, and the intrinsics are those of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.errors import QueryError, SourceError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.io.image_files import read_image
from sampt_ros.io.label_images import read_labels
from sampt_ros.io.video import natural_key

LAYOUT = "camera-intrinsics.txt and frame-NNNNNN.{color.jpg,depth.png,pose.txt}"

_INTRINSICS, _COLOR, _DEPTH, _POSE = "camera-intrinsics.txt", ".color.jpg", ".depth.png", ".pose.txt"
_UNKNOWN = 65535  # A value that, like 0, stands for unknown depth.
_SAME_SURFACE = 0.05  # Largest difference in metres of two depths of one surface: a few times a depth camera's noise.
_NEIGHBOURHOOD = 5  # Side in pixels: a pixel's depth is trusted if all depths in this neighbourhood agree.
_ROTATION_TOLERANCE = 0.01  # Largest deviation of a pose's rotation times its transpose from the identity.


@dataclass(frozen=True, eq=False)
class View:
    """One frame of a recording, with its camera pose.

    image   (H, W, 3) uint8 RGB
    depth   (H, W) float32 metres along the optical axis; 0 where unknown
    pose    (4, 4) float64, camera to world, metres; not finite where unknown
    camera  the camera model
    """

    image: np.ndarray
    depth: np.ndarray
    pose: np.ndarray
    camera: Pinhole

    def world(self, xy: np.ndarray) -> np.ndarray:
        """World points (n, 3) float64, metres, that are seen at whole pixels xy (n, 2) inside the image.

        NaN where depth or pose is unknown, or where the depth changes within a few pixels.
        """
        x, y = np.asarray(xy, int).T
        z = self._even_depth()[y, x]
        points = self.camera.ray(xy) * z[:, None]
        world: np.ndarray = points @ self.pose[:3, :3].T + self.pose[:3, 3]
        world[~np.isfinite(world).all(axis=1)] = np.nan
        return world

    def project(self, world: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project world points (n, 3), metres: returns pixel xy (n, 2) float64, and whether each is visible (n,) bool.

        A point is visible if it is in view and the depth image has its depth there; otherwise it is occluded. The xy of
        a point that is not visible is undefined, and may be NaN.
        """
        points = (world - self.pose[:3, 3]) @ self.pose[:3, :3]
        xy = self.camera.project(points)
        visible = self.camera.contains(xy)
        x, y = np.rint(xy[visible]).astype(int).T
        x, y = np.clip(x, 0, self.camera.width - 1), np.clip(y, 0, self.camera.height - 1)
        depth = self.depth[y, x]
        visible[visible] = (depth > 0) & (np.abs(depth - points[visible, 2]) <= _SAME_SURFACE)
        return xy, visible

    def _even_depth(self) -> np.ndarray:
        """The depth (H, W) float32, NaN where it or a neighbour's depth is unknown, or where they differ."""
        neighbours = np.ones((_NEIGHBOURHOOD, _NEIGHBOURHOOD), np.uint8)
        nearest, farthest = cv2.erode(self.depth, neighbours), cv2.dilate(self.depth, neighbours)
        return np.where((nearest > 0) & (farthest - nearest <= _SAME_SURFACE), self.depth, np.float32(np.nan))


def is_rgbd_folder(folder: Path) -> bool:
    """Whether a folder looks like a recording: it has the intrinsics, or a frame's colour image."""
    return (folder / _INTRINSICS).is_file() or next(folder.glob(f"frame-*{_COLOR}"), None) is not None


class Recording:
    """The views in a folder, in natural order of their names.

    Raises SourceError if the folder does not have the layout described above, or has no frame.
    """

    def __init__(self, folder: Path) -> None:
        self._matrix = _numbers(folder / _INTRINSICS, (3, 3))
        self._stems = [
            path.with_name(path.name.removesuffix(_COLOR))
            for path in sorted(folder.glob(f"frame-*{_COLOR}"), key=natural_key)
        ]
        if not self._stems:
            raise SourceError(f"expected {LAYOUT} in {str(folder)!r}; got no frame")
        files = (stem.with_name(stem.name + ending) for stem in self._stems for ending in (_DEPTH, _POSE))
        missing = next((path for path in files if not path.is_file()), None)
        if missing:
            raise SourceError(f"expected a depth and a pose for every frame; there is no {missing}")

    def __len__(self) -> int:
        return len(self._stems)

    def __iter__(self) -> Iterator[View]:
        """Read view after view; raises SourceError for a file that cannot be used."""
        camera = None
        for stem in self._stems:
            image = read_image(stem.with_name(stem.name + _COLOR))
            camera = camera or _camera(self._matrix, image)
            depth = _depth(stem.with_name(stem.name + _DEPTH))
            size = (camera.height, camera.width)
            if not image.shape[:2] == depth.shape == size:
                came = f"{image.shape[:2]} and {depth.shape}"
                raise SourceError(f"expected images and depths of one size {size}; got {came} in {stem}.*")
            yield View(image, depth, _pose(stem.with_name(stem.name + _POSE)), camera)


def _camera(matrix: np.ndarray, image: np.ndarray) -> Pinhole:
    height, width = image.shape[:2]
    try:
        return Pinhole(matrix, np.zeros(0), "plumb_bob", width, height)
    except QueryError as error:
        raise SourceError(f"{_INTRINSICS}: {error}") from None


def _depth(path: Path) -> np.ndarray:
    """(H, W) float32 metres, 0 where unknown."""
    millimetres = read_labels(path)
    if millimetres.dtype != np.uint16:
        raise SourceError(f"expected depth in millimetres with 16 bits per pixel in {path}; got {millimetres.dtype}")
    return np.where(millimetres == _UNKNOWN, 0, millimetres).astype(np.float32) / 1000


def _pose(path: Path) -> np.ndarray:
    """(4, 4) float64 camera to world, metres; NaN where the pose is unknown."""
    pose = _numbers(path, (4, 4))
    if not np.isfinite(pose).all():
        return np.full((4, 4), np.nan)
    rotation = pose[:3, :3]
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > _ROTATION_TOLERANCE or not np.allclose(pose[3], [0, 0, 0, 1]):
        raise SourceError(f"expected a rotation and a translation, camera to world, in {path}; got {pose.tolist()}")
    return pose


def _numbers(path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Read an array of this shape, float64, from a text file; raises SourceError if that fails."""
    try:
        numbers = np.array([line.split() for line in path.read_text().splitlines() if line.strip()], np.float64)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; expected {LAYOUT}") from None
    except ValueError:
        raise SourceError(f"expected {shape[0]} rows of {shape[1]} numbers in {path}") from None
    if numbers.shape != shape:
        raise SourceError(f"expected {shape[0]} rows of {shape[1]} numbers in {path}; got an array of {numbers.shape}")
    return numbers
