"""A query of points, a box or a seed mask, validated against the image that it refers to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.errors import QueryError

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Query:
    """A validated query.

    xy      (n, 2) float32 pixels; labels (n,) uint8
    box     (x_min, y_min, x_max, y_max) pixels, or None
    mask    (H, W) bool with at least one pixel, or None
    """

    xy: np.ndarray
    labels: np.ndarray
    box: Box | None = None
    mask: np.ndarray | None = None

    @classmethod
    def checked(
        cls,
        size: tuple[int, int],
        points: Sequence[Sequence[float]] | np.ndarray | None = None,
        labels: Sequence[int] | np.ndarray | None = None,
        box: Sequence[float] | None = None,
        mask: np.ndarray | None = None,
    ) -> Query:
        """Validate a query on an image of size (height, width); raises QueryError if it is invalid there."""
        xy, point_labels = _points(points, labels, size)
        query = cls(
            xy,
            point_labels,
            None if box is None else _box(box, size),
            None if mask is None else checked_mask(mask, size),
        )
        if len(xy) == 0 and query.box is None and query.mask is None:
            raise QueryError("expected points, a box or a mask; got none of them")
        return query

    @property
    def positive(self) -> np.ndarray:
        """(n, 2) float32: points on the object."""
        xy: np.ndarray = self.xy[self.labels == POSITIVE]
        return xy

    @property
    def negative(self) -> np.ndarray:
        """(n, 2) float32: points off the object."""
        xy: np.ndarray = self.xy[self.labels == NEGATIVE]
        return xy

    def require_start(self) -> None:
        """Raise QueryError unless an object can be started from this."""
        if len(self.positive) == 0 and self.box is None and self.mask is None:
            raise QueryError(
                f"expected at least one positive point to start an object; got {len(self.xy)} negative only"
            )


def _points(points: object, labels: object, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    try:
        xy = np.asarray([] if points is None else points, np.float32)
        xy = xy if xy.size else np.zeros((0, 2), np.float32)
        point_labels = np.full(len(xy), POSITIVE) if labels is None else np.asarray(labels).reshape(-1)
    except (TypeError, ValueError) as error:
        raise QueryError(f"expected points as (n, 2) numbers and labels as (n,): {error}") from None
    if xy.ndim != 2 or xy.shape[1] != 2:
        raise QueryError(f"expected points as (n, 2) numbers; got numbers of shape {xy.shape}")
    if len(point_labels) != len(xy):
        raise QueryError(f"expected one label per point; got {len(xy)} points and {len(point_labels)} labels")
    if point_labels.dtype.kind not in "biuf" or not np.isin(point_labels, (NEGATIVE, POSITIVE)).all():
        given = ", ".join(sorted({repr(label) for label in point_labels.tolist()}))
        raise QueryError(f"expected labels {NEGATIVE} (off the object) or {POSITIVE} (on it); got [{given}]")
    if not np.isfinite(xy).all():
        raise QueryError(f"expected finite point coordinates; got {xy.tolist()}")
    height, width = size
    outside = ((xy < -0.5) | (xy >= [width - 0.5, height - 0.5])).any(axis=1)
    if outside.any():
        x, y = xy[outside][0]
        raise QueryError(f"expected points inside the {width}x{height} image; got ({x:g}, {y:g})")
    return xy, point_labels.astype(np.uint8)


def _box(box: Sequence[float], size: tuple[int, int]) -> Box:
    height, width = size
    try:
        corners = np.asarray(box, np.float64)
    except (TypeError, ValueError):
        corners = np.zeros(0)
    if corners.shape != (4,) or not np.isfinite(corners).all():
        raise QueryError(f"expected a box as 4 finite numbers (x_min, y_min, x_max, y_max); got {box!r}")
    x_min, y_min, x_max, y_max = (float(value) for value in corners)
    if not (-0.5 <= x_min < x_max <= width and -0.5 <= y_min < y_max <= height):
        raise QueryError(f"expected a box inside the {width}x{height} image, min before max; got {corners.tolist()}")
    return x_min, y_min, x_max, y_max


def checked_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A seed mask (H, W) as bool; raises QueryError if it is empty or not of the image's size (height, width)."""
    seed = np.array(mask, bool)
    if seed.shape != size:
        raise QueryError(f"expected a seed mask of the image's shape {size}; got {seed.shape}")
    if not seed.any():
        raise QueryError("expected a seed mask with at least one pixel; got an empty one")
    return seed
