"""Images that are kept for late queries, with what was found in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sampt_ros.data_types import FrameResult


@dataclass(frozen=True, eq=False)
class KeptImage:
    """An image kept for late queries.

    nbytes  of the image and of the masks found in it
    result  what SamPt.step found in it; None if it was skipped
    """

    stamp_ns: int
    load: Callable[[], np.ndarray]
    nbytes: int
    result: FrameResult | None = None

    @classmethod
    def of_frame(cls, stamp_ns: int, image: np.ndarray, result: FrameResult) -> KeptImage:
        """A frame that was tracked."""
        return cls(stamp_ns, lambda: image, image.nbytes + _nbytes(result), bare(result))

    def without(self, object_id: int) -> KeptImage:
        """This one, without an object."""
        return self if self.result is None else replace(self, result=without_object(self.result, object_id))

    @property
    def stepped(self) -> bool:
        return self.result is not None


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
