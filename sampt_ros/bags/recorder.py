"""What is tracked in a bag's images, as the node's messages in another bag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.topics import CLOUD, LABELS, MASK, OUTPUTS, OVERLAY, POINTS, POSES
from sampt_ros.bags.types import IMAGE
from sampt_ros.bags.writer import BagWriter
from sampt_ros.data_types import FrameResult
from sampt_ros.errors import SourceError
from sampt_ros.geometry.surfaces import ObjectSurface, cloud
from sampt_ros.io.overlay import draw
from sampt_ros.messages import fields as messages
from sampt_ros.messages.images import image_fields


@dataclass(frozen=True, eq=False)
class TrackedImage:
    """An image of a bag, and what is in it.

    recorded_ns  when it was recorded
    header       its std_msgs/Header
    image        (H, W, 3) uint8 RGB
    result       what was tracked in it
    found        what depth shows of the objects, by id; None without depth
    """

    recorded_ns: int
    header: Any
    image: np.ndarray
    result: FrameResult
    found: Mapping[int, ObjectSurface] | None = None


class BagRecorder:
    """Writes the node's messages to a new bag, with the header and the time of the image that each belongs to.

    Nothing is touched before the first image. Raises SourceError where the bag is there already or cannot be written.

    frames, seconds   images written, and what tracking took for them
    in_space          those of them with depth
    masks             images in which each object has a mask
    writes_depth      whether poses and clouds are written
    """

    def __init__(self, path: Path, storage: str, overlay: bool = False, depth: bool = False) -> None:
        """storage: mcap or sqlite3; overlay: also write pictures for people; depth: also write poses and clouds."""
        if path.exists():
            raise SourceError(f"expected a bag that is not there yet; {str(path)!r} is")
        self.path = path
        self.frames = self.in_space = 0
        self.seconds = 0.0
        self.masks: Counter[int] = Counter()
        self.writes_depth = depth
        self._storage = storage
        self._topics = [MASK, LABELS, POINTS, *([OVERLAY] if overlay else []), *([POSES, CLOUD] if depth else [])]
        self._writer: BagWriter | None = None

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, tracked: TrackedImage) -> None:
        """Write the messages of one image; poses and a cloud only with depth."""
        if self._writer is None:
            self._writer = BagWriter(self.path, self._storage, {name: OUTPUTS[name] for name in self._topics})
        self._writer.add(tracked.recorded_ns, self._messages(tracked))
        self.frames += 1
        self.in_space += tracked.found is not None
        self.seconds += sum(tracked.result.stages.values()) / 1000
        self.masks.update({item.id: int(item.area > 0) for item in tracked.result.objects})

    def _messages(self, tracked: TrackedImage) -> dict[str, Any]:
        result, header, found = tracked.result, tracked.header, tracked.found
        classes = bag_types.classes()
        made = {
            MASK: _image(result.mask, "mono8", header),
            LABELS: _image(result.labels, "mono16", header),
            POINTS: messages.tracked_objects(result, header, classes, found),
        }
        if OVERLAY in self._topics:
            made[OVERLAY] = _image(draw(tracked.image, result), "rgb8", header)
        if found is not None:
            made[POSES] = messages.object_poses(found, header, classes)
            made[CLOUD] = messages.point_cloud(cloud(result, found, tracked.image), header, classes)
        return made


def _image(array: np.ndarray, encoding: str, header: Any) -> Any:
    return bag_types.types().types[IMAGE](header=header, **image_fields(array, encoding))
