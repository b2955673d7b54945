"""Images that are kept for late queries, with what was found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sampt_ros.data_types import POSITIVE, FrameResult, LocalMask, ObjectResult


@dataclass(frozen=True, eq=False)
class KeptImage:
    """An image kept for late queries.

    nbytes  of the image and of the masks found in it
    result  what SamPt.step found in it; None if it was skipped
    failed  whether the computation of its masks failed: an object without one may have been anywhere
    """

    stamp_ns: int
    load: Callable[[], np.ndarray]
    nbytes: int
    result: FrameResult | None = None
    failed: bool = False

    @classmethod
    def of_frame(cls, stamp_ns: int, image: np.ndarray, result: FrameResult, failed: bool = False) -> KeptImage:
        """A frame that was tracked."""
        return cls(stamp_ns, lambda: image, image.nbytes + _nbytes(result), bare(result), failed)

    def without(self, object_id: int) -> KeptImage:
        """This one, without an object."""
        return self if self.result is None else replace(self, result=without_object(self.result, object_id))

    @property
    def stepped(self) -> bool:
        return self.result is not None

    def item(self, object_id: int) -> ObjectResult | None:
        """What was found of an object; None if the image was skipped, or is from before the object's start."""
        items = () if self.result is None else self.result.objects
        return next((item for item in items if item.id == object_id), None)

    def knows(self, object_id: int) -> bool:
        """Whether it was found out where an object was, or that it was not seen."""
        item = self.item(object_id)
        return item is not None and (not self.failed or item.state.has_mask)


def label_at(result: FrameResult, xy: tuple[float, float]) -> int:
    """The id of the object whose mask covers a pixel; 0 for none, or outside the image."""
    x, y = (int(np.floor(value + 0.5)) for value in np.nan_to_num(xy, nan=-1, posinf=-1, neginf=-1))
    height, width = result.size
    return int(result.labels[y, x]) if 0 <= x < width and 0 <= y < height else 0


def without_object(result: FrameResult, object_id: int) -> FrameResult:
    """A result without an object, so that a click finds what was beneath."""
    return replace(result, objects=tuple(item for item in result.objects if item.id != object_id))


def bare(result: FrameResult) -> FrameResult:
    """A copy of a result, without the whole images that were made of its masks."""
    return replace(result, objects=tuple(replace(item) for item in result.objects))


def _nbytes(result: FrameResult) -> int:
    return sum(item.local_mask.values.nbytes for item in result.objects)


@dataclass(frozen=True, eq=False)
class Beginning:
    """Where an object was until it had a mask.

    stamp_ns      stamp of the image that it was started on
    displacement  (2,) pixel xy: how far it moved from there until its first mask
    """

    stamp_ns: int
    displacement: np.ndarray


def count_covering(
    kept: Iterable[KeptImage], object_id: int, clicked: KeptImage, xy: tuple[float, float], beginning: Beginning | None
) -> int:
    """How many masks of an object say that it covered a pixel of an image in which its own was not computed: 0 to 2.

    These are the last one before and the first one after. Between them it is taken to have moved evenly.

    kept       all images kept, in the order of stamps, with `clicked` among them
    beginning  of the object, used where there is no mask before
    """
    stepped = [image for image in kept if image.stepped]
    known = [image for image in stepped if image.knows(object_id)]
    before = next((image for image in reversed(known) if image.stamp_ns <= clicked.stamp_ns), None)
    # Of a newest frame that failed, the points are known.
    after = next((image for image in known if image.stamp_ns >= clicked.stamp_ns), stepped[-1])
    if before is not None:
        begun_ns, displacement = before.stamp_ns, _moved(before.item(object_id), after.item(object_id))
    elif beginning is not None:
        begun_ns, displacement = beginning.stamp_ns, beginning.displacement
    else:
        begun_ns, displacement = after.stamp_ns, np.zeros(2)
    duration = after.stamp_ns - begun_ns
    share = min(max((clicked.stamp_ns - begun_ns) / duration, 0), 1) if duration > 0 else 1
    then = np.asarray(xy, float) - share * displacement
    places = [(before, then), (after, then + displacement)]
    return sum(
        image is not None and image.result is not None and label_at(image.result, (x, y)) == object_id
        for image, (x, y) in places
    )


def _moved(before: ObjectResult | None, after: ObjectResult | None) -> np.ndarray:
    """(2,) pixel xy: how far an object moved, by its masks or else its points; 0 if that is not known."""
    if before is None or after is None:
        return np.zeros(2)
    if before.area and after.area:
        return np.subtract(_center(after.local_mask), _center(before.local_mask))
    _, rows, later = np.intersect1d(before.points.id, after.points.id, return_indices=True)
    earlier_points, later_points = before.points.at(rows), after.points.at(later)
    used = earlier_points.visible & later_points.visible & (later_points.label == POSITIVE)
    moved: np.ndarray = np.median((later_points.xy - earlier_points.xy)[used], axis=0) if used.any() else np.zeros(2)
    return moved


def _center(mask: LocalMask) -> tuple[float, float]:
    """Pixel xy of the centre of a mask of bool with at least one pixel."""
    moments = cv2.moments(mask.values.view(np.uint8), binaryImage=True)
    x, y = (float(moments[name] / moments["m00"]) for name in ("m10", "m01"))
    return mask.left + x, mask.top + y
