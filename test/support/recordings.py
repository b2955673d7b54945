"""RGB-D recordings of a wall, before which the camera moves so that the wall moves one pixel a frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fakes import blank

from sampt_ros.geometry.camera import Pinhole
from sampt_ros.io.image_files import write_image
from sampt_ros.io.rgbd_recording import View

KINECT_BASELINE = np.array([0.025, 0, 0])  # metres
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


def registered(view: View) -> View:
    """A Kinect's raw frame, intrinsics and pose those of its depth camera, as the colour camera would measure it.

    That one has a focal length of 525 pixels and sees from 2.5 cm beside.
    """
    y, x = np.nonzero(view.depth)
    z = view.depth[y, x]
    points = view.camera.ray(np.column_stack([x, y])) * z[:, None] - KINECT_BASELINE
    camera = Pinhole(np.array([[525, 0, 320], [0, 525, 240], [0, 0, 1]]), np.zeros(0), "", 640, 480)
    xy = camera.project(points)
    seen = camera.contains(xy)
    x, y = np.rint(xy[seen]).astype(int).T
    depth = np.full(view.depth.shape, np.inf, np.float32)
    np.minimum.at(depth, (y, x), z[seen])  # the nearest hides the others
    depth[np.isinf(depth)] = 0
    moved = np.eye(4)
    moved[:3, 3] = KINECT_BASELINE
    return replace(view, depth=depth, pose=view.pose @ moved, camera=camera)
