"""Tracking a whole video or camera: what starts the objects, the stream, and the files that come out."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from sampt_ros.data_types import FrameResult, ObjectResult
from sampt_ros.errors import OutOfMemoryError, QueryError
from sampt_ros.tracking.sam_pt import SamPt

_log = logging.getLogger(__name__)


@dataclass
class ObjectStart:
    """What one object starts from, as SamPt.add_object takes it; with a reference picture the mask lies on that one."""

    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    box: list[float] | None = None
    mask: np.ndarray | None = None
    reference: np.ndarray | None = None

    def begin(self, sam_pt: SamPt, object_id: int) -> ObjectResult:
        """Start the object on the newest frame, or look for it from now on; raises QueryError."""
        if self.reference is None or self.mask is None:
            return sam_pt.add_object(self.points, self.labels, self.box, self.mask, object_id)
        if self.points or self.box is not None:
            raise QueryError(f"expected object {object_id} from a reference picture or from prompts; got both")
        return sam_pt.add_reference(self.reference, self.mask, object_id)


def track(
    sam_pt: SamPt, images: Iterable[np.ndarray], starts: dict[int, ObjectStart]
) -> Iterator[tuple[np.ndarray, FrameResult]]:
    """Start objects on the first image and follow them: yields every image (H, W, 3) uint8 RGB and its result.

    A frame that memory did not suffice for has no objects. Raises QueryError if an object cannot be started, FrameError
    for an image of another size.
    """
    for number, image in enumerate(images):
        try:
            result = replace(sam_pt.step(image), index=number)
        except OutOfMemoryError as error:
            _log.warning("frame %d has no masks: %s", number, error)
            result = FrameResult(number, image.shape[:2])
        if number == 0:
            started = [start.begin(sam_pt, name) for name, start in starts.items()]
            result = replace(result, objects=tuple(started))
        yield image, result
