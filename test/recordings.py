"""RGB-D recordings of a wall, before which the camera moves so that the wall moves one pixel a frame."""

from __future__ import annotations

import numpy as np
from fakes import blank

from sampt_ros.camera import Pinhole
from sampt_ros.rgbd import View
from sampt_ros.video import write_image

WALL = 2.0  # metres
FOCAL = 50.0  # pixels
CAMERA = Pinhole(np.array([[FOCAL, 0, 32], [0, FOCAL, 24], [0, 0, 1]]), np.zeros(0), "plumb_bob", 64, 48)


def pose(index: int) -> np.ndarray:
    """(4, 4) float64, camera to world."""
    moved = np.eye(4)
    moved[0, 3] = -index * WALL / FOCAL
    return moved


def wall(index: int) -> View:
    """The view of frame `index`: everything is WALL away."""
    return View(blank(), np.full((48, 64), WALL, np.float32), pose(index), CAMERA)


def write_recording(folder, count):
    """The first `count` views, as files."""
    for index in range(count):
        stem = folder / f"frame-{index:06d}"
        write_image(stem.with_name(f"{stem.name}.color.jpg"), blank())
        write_depth(stem.with_name(f"{stem.name}.depth.png"), np.full((48, 64), 1000 * WALL, np.uint16))
        np.savetxt(stem.with_name(f"{stem.name}.pose.txt"), pose(index))
    np.savetxt(folder / "camera-intrinsics.txt", CAMERA.K)
    return folder


def write_depth(path, millimetres: np.ndarray) -> None:
    """(H, W) uint8 or uint16."""
    import cv2

    path.write_bytes(cv2.imencode(".png", millimetres)[1].tobytes())
