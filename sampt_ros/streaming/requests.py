"""Requests to a stream: queries, references, and the prompts that objects of a recording start from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import cv2
import numpy as np

from sampt_ros.data_types import POSITIVE, ObjectResult
from sampt_ros.errors import QueryError
from sampt_ros.tracking.sam_pt import SamPt


class Action(IntEnum):
    """What a request asks for; the values are those of the QueryPoints message."""

    ADD = 0
    REPLACE = 1
    REMOVE = 2


@dataclass(frozen=True, eq=False)
class Request:
    """A query on the image that was current at `stamp_ns` (0: the newest).

    points     (n, 2) pixel xy with labels (n,); box (x_min, y_min, x_max, y_max); mask (H, W)
    object_id  0 starts a new object under a free id. With the id of a tracked object, ADD corrects it; REPLACE starts
               an object under the given id, in place of one that already has it
    """

    action: Action = Action.ADD
    object_id: int = 0
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2), np.float32))
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None
    stamp_ns: int = 0

    def fitted(self, size: tuple[int, int]) -> tuple[Request, list[str]]:
        """The request fitted to an image of size (height, width), and in words what was changed or has no effect."""
        box, clipped = fitted_box(self.box, size)
        mask, scaled = fitted_mask(self.mask, size)
        unused = contradicted_points(self.points, self.labels, mask, size)
        return replace(self, box=box, mask=mask), [*clipped, *scaled, *unused]


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to a request: in words, and the object's new result (None if it is no longer tracked).

    object_id  of the object that was started or corrected, also where its result is not at hand; 0: there is none
    """

    text: str
    object: ObjectResult | None = None
    object_id: int = 0


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference picture of an object to search for.

    image      (H, W, 3) uint8 RGB, of any size
    mask       (H, W) bool of the object in it, or None if it was not given
    object_id  0: a new object, under a free id. A tracked object of the id is replaced
    """

    image: np.ndarray
    mask: np.ndarray | None
    object_id: int

    def is_same(self, other: Reference | None) -> bool:
        """Whether another reference has the same object id, image and mask."""
        return (
            other is not None
            and self.object_id == other.object_id
            and np.array_equal(self.image, other.image)
            and np.array_equal(self.mask, other.mask)  # type: ignore[arg-type]
        )


@dataclass
class ObjectStart:
    """The prompts that one object starts from, as for SamPt.add_object; with a reference picture, mask belongs to it.

    frame  number, from 0, of the frame that the prompts belong to; with a reference picture, the first one to search
    """

    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    box: list[float] | None = None
    mask: np.ndarray | None = None
    reference: np.ndarray | None = None
    frame: int = 0

    def fitted(self, size: tuple[int, int]) -> tuple[ObjectStart, list[str]]:
        """The prompts fitted to an image of size (height, width), and in words what was changed or has no effect."""
        if self.reference is not None:
            return self, []
        box, clipped = fitted_box(self.box, size)
        mask, scaled = fitted_mask(self.mask, size)
        unused = contradicted_points(self.points, self.labels, mask, size)
        return replace(self, box=None if box is None else list(box), mask=mask), [*clipped, *scaled, *unused]

    def begin(self, sam_pt: SamPt, object_id: int) -> ObjectResult:
        """Start the object on the newest frame, or search for it from now on; raises QueryError."""
        if self.reference is None or self.mask is None:
            return sam_pt.add_object(self.points, self.labels, self.box, self.mask, object_id)
        if self.points or self.box is not None:
            raise QueryError(f"expected object {object_id} from a reference picture or from prompts; got both")
        return sam_pt.add_reference(self.reference, self.mask, object_id)


Box = tuple[float, float, float, float]
_NEAR = 10  # Pixels between a point and a mask drawn by hand that are no contradiction.


def fitted_box(box: Sequence[float] | None, size: tuple[int, int]) -> tuple[Box | None, list[str]]:
    """Clip a box (x_min, y_min, x_max, y_max) to an image of size (height, width); also returns the change in words.

    Detectors let boxes extend beyond the border. A box entirely outside the image, or None, is returned unchanged.
    """
    if box is None:
        return None, []
    given: Box = tuple(box)  # type: ignore[assignment]
    edges = np.array([size[1] - 1, size[0] - 1] * 2, np.float64)
    values = np.array(given, np.float64)
    is_within = ((values >= -0.5) & (values <= edges + 1)).all()
    clipped = np.clip(values, 0, edges)
    if is_within or not np.isfinite(values).all() or not (clipped[:2] < clipped[2:]).all():
        return given, []
    left, top, right, bottom = clipped.tolist()
    return (left, top, right, bottom), [f"its box clipped to the {size[1]}x{size[0]} image"]


def fitted_mask(mask: np.ndarray | None, size: tuple[int, int]) -> tuple[np.ndarray | None, list[str]]:
    """Scale a seed mask (H, W) to an image of size (height, width); also returns the change in words.

    A mask of another aspect ratio, rounding aside, belongs to another image and is returned unchanged.
    """
    if mask is None or mask.ndim != 2 or mask.shape == size or 0 in mask.shape:
        return mask, []
    (height, width), (rows, columns) = size, mask.shape
    if abs(rows - columns * height / width) >= 1 and abs(columns - rows * width / height) >= 1:
        return mask, []
    scaled = cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return scaled.astype(bool), [f"its mask scaled from {columns}x{rows} to {width}x{height}"]


def contradicted_points(
    points: Sequence[Sequence[float]] | np.ndarray,
    labels: Sequence[int] | np.ndarray,
    mask: np.ndarray | None,
    size: tuple[int, int],
) -> list[str]:
    """Say which points (n, 2) with labels (n,) have no effect, as a seed mask (H, W) says otherwise.

    That is a point on the object far off its mask, or one off the object deep in its mask. Points and masks that do not
    fit an image of size (height, width) are refused elsewhere.
    """
    if mask is None or mask.shape != size or not np.any(mask) or len(points) != len(labels):
        return []
    shown, told = mask.astype(bool), []
    away: dict[bool, np.ndarray] = {}  # Distances from what is right, by whether it is the mask.
    for point, label in zip(points, labels):
        if len(point) != 2 or not np.isfinite(point).all():
            continue
        column, row = np.clip(np.rint(point), 0, [size[1] - 1, size[0] - 1]).astype(int)
        is_on = label == POSITIVE
        if shown[row, column] == is_on or (shown == shown[row, column]).all():
            continue
        if is_on not in away:
            wrong = (shown != is_on).astype(np.uint8)
            away[is_on] = cv2.distanceTransform(wrong, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        distance = away[is_on][row, column]
        if distance > _NEAR:
            where = "off its mask" if is_on else "inside its mask though off the object"
            told.append(
                f"its point {point[0]:g},{point[1]:g} is {distance:.0f} pixels {where}; the mask is used unchanged"
            )
    return told
