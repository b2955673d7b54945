"""A calibrated camera: 3D points to pixels and back. The optical frame has x right, y down, z forward, in metres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from sampt_ros.errors import ProjectionError, QueryError

# The numbers of distortion coefficients that each model of sensor_msgs/CameraInfo may have. More may be given if the
# further ones are 0. OpenCV's rational model goes on where plumb_bob ends, and some drivers confuse the two.
_BROWN = (4, 5, 8, 12, 14)
MODELS = {"plumb_bob": _BROWN, "rational_polynomial": _BROWN, "equidistant": (4,)}
# Other names of these models, which drivers and calibrations give.
_MODEL_NAMES = {
    "radtan": "plumb_bob",
    "fisheye": "equidistant",
    "kannala_brandt": "equidistant",
    "kannala_brandt4": "equidistant",
}

_FISHEYE = "equidistant"
_UNUSED = 1e-6  # The entries of a camera matrix that are 0 or 1 may be off by as much.
_NEWTON_STEPS = 15  # At most.
_CONVERGED = 1e-6  # Newton's method ends when all errors are below this many pixels.
_DERIVATIVE_STEP = 1e-6  # Step at z = 1 of the numerical derivative.
_PIXEL_TOLERANCE = 0.1  # A ray is valid if it projects within this many pixels of where it came from.
_RAY_TOLERANCE = 0.01  # A pixel is valid if its ray is off the point's by no more than this share of its length.


@dataclass(frozen=True, eq=False)
class Pinhole:
    """A camera with lens distortion.

    K              (3, 3) float64, pixels; the centre of the first pixel is (0, 0)
    D              (n,) float64, coefficients of `model`; empty or zero for a lens without distortion
    model          plumb_bob, rational_polynomial or equidistant (Kannala-Brandt), or a common name for one of them, in
                   capitals or not; any other only without distortion
    width, height  of the image, pixels

    For a rectified image K is the left 3x3 of CameraInfo's P, and D is empty.
    Raises QueryError if these make no camera.
    """

    K: np.ndarray
    D: np.ndarray
    model: str
    width: int
    height: int

    def __post_init__(self) -> None:
        matrix = np.asarray(self.K, np.float64)
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
            raise QueryError(f"expected a 3x3 camera matrix with focal lengths above 0; got {matrix.tolist()}")
        used = np.diag([*matrix.diagonal()[:2], 1.0])
        used[:2, 2] = matrix[:2, 2]
        if not np.allclose(matrix, used, rtol=0, atol=_UNUSED):
            expected = "[[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
            raise QueryError(f"expected a camera matrix {expected}; got {matrix.tolist()}")
        if self.width <= 0 or self.height <= 0:
            raise QueryError(f"expected a camera with at least one pixel; got {self.width}x{self.height}")
        object.__setattr__(self, "K", matrix)
        name = self.model.strip().lower()
        object.__setattr__(self, "model", _MODEL_NAMES.get(name, name if name in MODELS else self.model))
        object.__setattr__(self, "D", self._coefficients())

    @property
    def looks_forward(self) -> bool:
        """Whether the principal point is inside the image, as that of nearly every camera is."""
        x, y = self.K[:2, 2]
        return bool(0 < x < self.width and 0 < y < self.height)

    def for_images(self, size: tuple[int, int]) -> Pinhole:
        """This camera; raises QueryError if its images are not of size (height, width)."""
        if size != (self.height, self.width):
            raise QueryError(
                f"expected the CameraInfo of {size[1]}x{size[0]} images; got one of {self.width}x{self.height}"
            )
        return self

    def project(self, xyz: np.ndarray) -> np.ndarray:
        """(n, 3) metres in the optical frame -> (n, 2) float64 pixel xy, distorted as the image is.

        NaN for a point that the camera cannot see: at or behind it (z <= 0), or so far off the axis that the
        distortion would fold it back into the image. Pixels outside the image are returned as they are.
        """
        points = np.asarray(xyz, np.float64).reshape(-1, 3)
        xy = np.full((len(points), 2), np.nan)
        front = np.isfinite(points).all(axis=1) & (points[:, 2] > 0)
        xy[front] = self._distorted(points[front])
        inside = self.contains(xy)
        expected = points[inside] / points[inside, 2:]
        error = np.linalg.norm(self.ray(xy[inside]) - expected, axis=1)
        folded = ~(error <= _RAY_TOLERANCE * np.linalg.norm(expected, axis=1))
        xy[np.flatnonzero(inside)[folded]] = np.nan
        return xy

    def project_point(self, xyz: np.ndarray) -> tuple[float, float]:
        """(3,) metres in the optical frame -> pixel (x, y); raises ProjectionError if it is not in the image."""
        point = np.asarray(xyz, np.float64).reshape(3)
        if not point[2] > 0:
            raise ProjectionError(f"expected a point in front of the camera; got z = {point[2]:g} m")
        x, y = (float(value) for value in self.project(point)[0])
        size = f"{self.width}x{self.height}"
        if np.isnan(x):
            raise ProjectionError(f"expected a point inside the {size} image; got one outside the lens's field of view")
        if not self.contains(np.array([[x, y]]))[0]:
            raise ProjectionError(f"expected a point inside the {size} image; it projects to ({x:.1f}, {y:.1f})")
        return x, y

    def ray(self, xy: np.ndarray) -> np.ndarray:
        """(n, 2) pixel xy -> (n, 3) float64, the point at z = 1 m seen there; NaN where the lens sees none."""
        pixels = np.asarray(xy, np.float64).reshape(-1, 2)
        rays = np.ones((len(pixels), 3))
        if len(pixels) == 0:
            return rays
        if self.model != _FISHEYE and not self.D.any():
            rays[:, :2] = (pixels - self.K[:2, 2]) / self.K.diagonal()[:2]
            return rays
        rays[:, :2] = self._undistorted(pixels)
        missed = ~(np.abs(self._distorted(rays) - pixels).max(axis=1) <= _PIXEL_TOLERANCE)
        rays[missed] = np.nan
        return rays

    @cached_property
    def rays(self) -> np.ndarray:
        """(height, width, 3) float32: `ray` of every pixel."""
        y, x = np.mgrid[: self.height, : self.width]
        rays = self.ray(np.stack([x, y], axis=-1).reshape(-1, 2))
        return rays.reshape(self.height, self.width, 3).astype(np.float32)

    def is_like(self, other: Pinhole) -> bool:
        """Whether this camera maps every point to the same pixel as the other one."""
        same = (self.model, self.width, self.height) == (other.model, other.width, other.height)
        return same and np.array_equal(self.K, other.K) and np.array_equal(self.D, other.D)

    def or_like(self, before: Pinhole | None) -> Pinhole:
        """The camera `before` if this one is like it, since its rays are computed already; else this one."""
        return before if before is not None and self.is_like(before) else self

    def contains(self, xy: np.ndarray) -> np.ndarray:
        """(n,) bool: which of the (n, 2) pixels are in the image; NaN is not."""
        inside: np.ndarray = np.all((xy >= -0.5) & (xy < np.array([self.width - 0.5, self.height - 0.5])), axis=1)
        return inside

    def _coefficients(self) -> np.ndarray:
        """The distortion as OpenCV takes it."""
        given = np.asarray(self.D, np.float64).reshape(-1)
        if not given.any() and np.isfinite(given).all():
            return np.zeros(4)
        if self.model not in MODELS:
            raise QueryError(f"expected a distortion model of {', '.join(MODELS)}; got {self.model!r}")
        counts = MODELS[self.model]
        # Zeros at the end say nothing; the T265's driver gives equidistant a fifth coefficient, which is 0.
        needed = next((count for count in counts if not given[count:].any()), len(given))
        given = given[:needed]
        if not np.isfinite(given).all():
            raise QueryError(f"expected distortion coefficients that are finite; got {np.ravel(self.D).tolist()}")
        if len(given) not in counts:
            expected = f"{' or '.join(map(str, counts))} distortion coefficients for {self.model}, others only as 0"
            raise QueryError(f"expected {expected}; got {np.ravel(self.D).tolist()}")
        return given

    def _distorted(self, xyz: np.ndarray) -> np.ndarray:
        """(n, 3) with z > 0 -> (n, 2) pixels, whatever the field of view."""
        if len(xyz) == 0:
            return np.zeros((0, 2))
        zero = np.zeros(3)
        pixels: np.ndarray
        if self.model == _FISHEYE:
            pixels, _ = cv2.fisheye.projectPoints(xyz.reshape(-1, 1, 3), zero, zero, self.K, self.D)
        else:
            pixels, _ = cv2.projectPoints(xyz.reshape(-1, 1, 3), zero, zero, self.K, self.D)
        return pixels.reshape(-1, 2)

    def _undistorted(self, pixels: np.ndarray) -> np.ndarray:
        """(n, 2) pixels -> (n, 2) x and y at z = 1; not meaningful where the lens sees nothing."""
        if self.model == _FISHEYE:
            undistorted: np.ndarray = cv2.fisheye.undistortPoints(pixels.reshape(-1, 1, 2), self.K, self.D)
            return undistorted.reshape(-1, 2)
        # Newton's method starts at the distorted ray. That lies on the axis' side of the solution, so the method finds
        # the branch that has not folded back. OpenCV's own iteration stops after 5 steps, too early for wide lenses.
        xy: np.ndarray = (pixels - self.K[:2, 2]) / self.K.diagonal()[:2]
        with np.errstate(all="ignore"):  # There is no solution where the lens sees nothing.
            for _ in range(_NEWTON_STEPS):
                here = self._at_unit_depth(xy)
                error = pixels - here
                if not (np.abs(error) > _CONVERGED).any():
                    break
                by_x = (self._at_unit_depth(xy + np.array([_DERIVATIVE_STEP, 0])) - here) / _DERIVATIVE_STEP
                by_y = (self._at_unit_depth(xy + np.array([0, _DERIVATIVE_STEP])) - here) / _DERIVATIVE_STEP
                determinant = by_x[:, 0] * by_y[:, 1] - by_x[:, 1] * by_y[:, 0]
                x_step = (error[:, 0] * by_y[:, 1] - error[:, 1] * by_y[:, 0]) / determinant
                y_step = (error[:, 1] * by_x[:, 0] - error[:, 0] * by_x[:, 1]) / determinant
                xy = xy + np.stack([x_step, y_step], axis=1)
        return xy

    def _at_unit_depth(self, xy: np.ndarray) -> np.ndarray:
        """(n, 2) x and y at z = 1 -> (n, 2) pixels."""
        return self._distorted(np.column_stack([xy, np.ones(len(xy))]))


def transform_point(
    xyz: Sequence[float] | np.ndarray, translation: Sequence[float], quaternion: Sequence[float]
) -> np.ndarray:
    """(3,) float64: a point in the frame that a transform leads to.

    translation  (x, y, z) metres; quaternion (x, y, z, w): where the point's frame is in the other one, as in TF
    """
    axis, w = np.array(quaternion[:3], np.float64), float(quaternion[3])
    point = np.array(xyz, np.float64)
    length = axis @ axis + w * w
    if not length > 0:
        raise QueryError(f"expected a rotation as a quaternion other than 0; got {list(quaternion)}")
    turned = point + 2 * np.cross(axis, np.cross(axis, point) + w * point) / length
    return turned + np.array(translation, np.float64)
