"""Tracked objects in a depth image: where their points and surfaces are, and what is hidden.

Depth is (H, W) float32, metres along the optical axis, NaN where unknown, pixel for pixel that of the colour image.
Points in space are in the camera's optical frame: x right, y down, z forward, metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from sampt_ros.data_types import FrameResult, ObjectResult, Points
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.utils.blas_threads import on_one_thread

# One coloured point and its object, little-endian; rgb is 0x00RRGGBB, in bits that PCL reads as a float32.
CLOUD = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4"), ("object_id", "<u4")])

_UNKNOWN = 65535  # Millimetres that mean, as 0 does, that the depth is unknown.
_FARTHEST = 200.0  # Metres that hardly any camera measures in most of an image.
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_MAX_STEP = 0.02  # The depth of a surface changes from pixel to pixel by no more than this share of it.
_BORDER = 2  # So many pixels at a mask's border may show what is beside the object.
_MIN_PART = 0.25  # Parts that a jump in depth cuts off count if they have this share of the largest one's area.
_MIN_POINTS = 10  # Fewer points make no pose.
_OCCLUSION = (0.03, 0.02)  # A point is hidden by what is nearer by more than these metres plus this share of its depth.


@dataclass(frozen=True, eq=False)
class ObjectSurface:
    """One object's visible surface, and where its tracked points are.

    xy           (n, 2) int, the pixels of the mask whose depth is surely the object's
    xyz          (n, 3) float32, the points in space that these pixels show
    centre       (3,) float64, the median of xyz axis by axis; NaN where there are too few
    quaternion   (4,) float64, x, y, z, w: x along the longest extent, z along the shortest, towards the camera
    points       (m, 3) float32, the object's tracked points; NaN where hidden, or where their depth is unknown
    """

    xy: np.ndarray
    xyz: np.ndarray
    centre: np.ndarray
    quaternion: np.ndarray
    points: np.ndarray

    @property
    def has_pose(self) -> bool:
        """Whether enough points are known for a centre and axes."""
        return bool(np.isfinite(self.centre).all())


def in_metres(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Depth as (H, W) float32 metres, NaN where unknown (0 or less, NaN, infinite, 65535 mm).

    depth: (H, W) uint16 millimetres or floating-point metres. Raises FrameError for another kind of number, if its size
    is not `size`, the image's (height, width), and if it is unknown everywhere, as of a camera that is covered.
    """
    if depth.dtype != np.uint16 and depth.dtype.kind != "f":
        raise FrameError(f"expected depth as uint16 millimetres or float metres; got {depth.dtype}")
    if depth.shape != tuple(size):
        shape = "x".join(map(str, depth.shape[::-1]))
        raise FrameError(f"expected depth of the image's size {size[1]}x{size[0]}; got {shape}")
    if depth.dtype == np.uint16:
        known = (depth > 0) & (depth < _UNKNOWN)
        metres = np.where(known, depth * np.float32(0.001), np.float32(np.nan))
    else:
        metres = depth.astype(np.float32)
        known = (metres > 0) & (metres < np.inf)
        metres[~known] = np.nan
    if not known.any():
        raise FrameError("expected depth in which something is measured; got 0, NaN or the like in every pixel")
    return metres


def is_too_far(depth: np.ndarray) -> bool:
    """Whether most of a depth image (H, W), metres as `in_metres` gives them, is beyond what cameras measure.

    Then it was most likely in millimetres.
    """
    some = depth[::8, ::8]
    known = some[np.isfinite(some)]
    return len(known) > 0 and bool(np.median(known) > _FARTHEST)


def object_surfaces(result: FrameResult, depth: np.ndarray, camera: Pinhole) -> dict[int, ObjectSurface]:
    """The surface of every object of a frame, by id.

    depth: (H, W) float32, as `in_metres` gives it; camera: that of the frame's image
    """
    return {obj.id: _object_surface(obj, depth, camera) for obj in result.objects}


def positions(points: Points, depth: np.ndarray, camera: Pinhole) -> np.ndarray:
    """(n, 3) float32: where points are in space; NaN if they are not visible, outside the image or of unknown depth.

    A point's depth is the median of the known ones of the 3x3 pixels there.
    """
    xyz = np.full((len(points), 3), np.nan, np.float32)
    rows = np.flatnonzero(points.visible & camera.contains(points.xy))
    xy = points.xy[rows]
    around = np.sort(_around(xy, depth), axis=1)  # NaN last
    known = np.isfinite(around).sum(axis=1)
    # Of two middle values the nearer one is taken, since their mean may lie between two surfaces.
    middle = around[np.arange(len(rows)), np.maximum(known - 1, 0) // 2]
    xyz[rows] = camera.ray(xy) * middle[:, None]
    return xyz


def surface_pixels(obj: ObjectResult, depth: np.ndarray) -> np.ndarray:
    """(n, 2) int xy: the pixels of an object's mask whose depth is the object's.

    Left out are the mask's border, pixels beside a jump in depth, among them those that float between two surfaces,
    and small parts that such jumps cut off from the rest.
    """
    x, y, width, height = obj.box
    left, top = max(x - 1, 0), max(y - 1, 0)
    window = np.s_[top : y + height + 1, left : x + width + 1]
    near = depth[window]
    known = np.isfinite(near)
    nearest = cv2.erode(np.where(known, near, np.float32(np.inf)), _NEIGHBOURS)
    farthest = cv2.dilate(np.where(known, near, np.float32(0)), _NEIGHBOURS)
    inside = cv2.erode(obj.local_mask.part(*window).view(np.uint8), _NEIGHBOURS, iterations=_BORDER)
    kept = (inside > 0) & known & (farthest - nearest <= _MAX_STEP * np.where(known, near, 0))
    _, parts, facts, _ = cv2.connectedComponentsWithStats(kept.view(np.uint8))
    areas = facts[:, cv2.CC_STAT_AREA]
    areas[0] = 0  # Part 0 is what is not kept.
    rows, columns = np.nonzero((areas > _MIN_PART * areas.max())[parts])
    return np.column_stack([columns + left, rows + top])


def cloud(result: FrameResult, surfaces: Mapping[int, ObjectSurface], image: np.ndarray) -> np.ndarray:
    """(n,) records CLOUD: the surface pixels of all objects of a frame; where masks overlap, as in FrameResult.labels.

    surfaces: of the frame's objects, as `object_surfaces` gives them; image: (H, W, 3) uint8 RGB
    """
    parts = [np.zeros(0, CLOUD)]
    for object_id, surface in surfaces.items():
        x, y = surface.xy.T
        is_own = result.labels[y, x] == object_id
        part = np.empty(np.count_nonzero(is_own), CLOUD)
        part["x"], part["y"], part["z"] = surface.xyz[is_own].T
        red, green, blue = image[y[is_own], x[is_own]].astype(np.uint32).T
        part["rgb"] = red << 16 | green << 8 | blue
        part["object_id"] = object_id
        parts.append(part)
    return np.concatenate(parts)


@on_one_thread
def pose(xyz: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (3,) and quaternion (4,) x, y, z, w, both float64, of points (n, 3); NaN if they are too few.

    The centre is the median axis by axis. The axes are those of greatest, middle and least extent, right-handed. The
    third one is about the surface's normal and points to the camera; the first one's largest component is positive.
    """
    if len(xyz) < _MIN_POINTS:
        return np.full(3, np.nan), np.full(4, np.nan)
    centre = np.median(xyz, axis=0).astype(np.float64)
    offsets = xyz - xyz.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(offsets.T @ offsets)
    long, normal = axes[:, 2], axes[:, 0]
    long = long * np.copysign(1, long[np.abs(long).argmax()])
    normal = normal * np.copysign(1, -normal @ centre)
    return centre, _quaternion(np.column_stack([long, np.cross(normal, long), normal]))


def require_in_sight(point: np.ndarray, xy: tuple[float, float], depth: np.ndarray) -> None:
    """Raise QueryError if something nearer hides a point (3,) that projects to pixel xy inside the image.

    All known depths of the 3x3 pixels there must be nearer, by more than 3 cm and 2 % of the point's.
    """
    around = _around(np.array([xy]), depth)
    known = around[np.isfinite(around)]
    z = float(point[2])
    if len(known) and known.max() < z - _OCCLUSION[0] - _OCCLUSION[1] * z:
        raise QueryError(
            f"expected a point that the camera sees; it is {z:.2f} m deep, and something {known.max():.2f} m deep "
            f"hides it at pixel ({xy[0]:.0f}, {xy[1]:.0f})"
        )


def _object_surface(obj: ObjectResult, depth: np.ndarray, camera: Pinhole) -> ObjectSurface:
    xy = surface_pixels(obj, depth)
    x, y = xy.T
    xyz = camera.rays[y, x] * depth[y, x, None]
    xy, xyz = (values[np.isfinite(xyz).all(axis=1)] for values in (xy, xyz))  # Elsewhere the lens sees nothing.
    centre, quaternion = pose(xyz)
    return ObjectSurface(xy, xyz, centre, quaternion, positions(obj.points, depth, camera))


def _around(xy: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(n, 9) float32: the depths of the 3x3 pixels around (n, 2) pixels inside the image; at its border some twice."""
    height, width = depth.shape
    dy, dx = np.mgrid[-1:2, -1:2].reshape(2, 9)
    x, y = np.floor(np.asarray(xy) + 0.5).astype(int).T[..., None]
    around: np.ndarray = depth[np.clip(y + dy, 0, height - 1), np.clip(x + dx, 0, width - 1)]
    return around


def _quaternion(matrix: np.ndarray) -> np.ndarray:
    """(4,) float64 x, y, z, w with w >= 0, of a rotation matrix (3, 3).

    It is the eigenvector of the greatest eigenvalue of a symmetric matrix (Bar-Itzhack, 2000), which needs no special
    cases.
    """
    (a, b, c), (d, e, f), (g, h, i) = matrix
    symmetric = [[a - e - i, b + d, c + g, h - f], [b + d, e - a - i, f + h, c - g]]
    symmetric += [[c + g, f + h, i - a - e, d - b], [h - f, c - g, d - b, a + e + i]]
    eigenvector = np.linalg.eigh(np.array(symmetric))[1][:, 3]
    quaternion: np.ndarray = eigenvector * np.copysign(1, eigenvector[3])
    return quaternion
