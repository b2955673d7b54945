"""What the objects of a recording start from, on its first image."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sampt_ros.data_types import ObjectResult
from sampt_ros.errors import QueryError
from sampt_ros.tracking.sam_pt import SamPt


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
