"""Writes tracking results as the node's messages to a bag."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType

from sampt_ros.bags import types
from sampt_ros.bags.topics import NODE, WRITTEN
from sampt_ros.bags.writer import BagWriter
from sampt_ros.errors import SourceError
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.streaming.tracked_frame import TrackedFrame


class BagRecorder:
    """Writes the node's messages to a new bag; each has the header and the recording time of its image.

    The bag is created with the first image. Raises SourceError if it already exists or cannot be written.

    frames        number of images whose messages were made
    stored        number of those that are in the bag for certain; fewer only after an error
    seconds       time spent on tracking them
    with_depth    number of images with depth among them
    masks, poses  by object id, the numbers of images in which the object has a mask, and a pose
    writes_depth  whether poses and clouds are written
    """

    def __init__(self, path: Path, storage: str, overlay: bool = False, depth: bool = False) -> None:
        """storage: mcap or sqlite3; overlay: also write overlay images; depth: also write poses and clouds."""
        if path.exists():
            raise SourceError(f"expected a bag that is not there yet; {str(path)!r} is")
        self.path = path
        self.frames = self.with_depth = 0
        self.seconds = 0.0
        self.masks: Counter[int] = Counter()
        self.poses: Counter[int] = Counter()
        self.writes_depth = depth
        self._storage = storage
        self._outputs = {
            f"{NODE}/{name}": output
            for name, output in OUTPUTS.items()
            if (overlay or name != "overlay") and (depth or not output.needs_depth) and not output.is_compressed
        }
        self._writer: BagWriter | None = None

    @property
    def stored(self) -> int:
        return 0 if self._writer is None else self._writer.stored

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, frame: TrackedFrame) -> None:
        """Write the messages of one image; poses and a cloud only if it has depth."""
        if self._writer is None:
            self._writer = BagWriter(self.path, self._storage, {topic: WRITTEN[topic] for topic in self._outputs})
        messages = {
            topic: output.make(frame, types.classes())
            for topic, output in self._outputs.items()
            if output.is_made_of(frame)
        }
        # Counted first: a signal that was held back while the messages are written is raised after that.
        self.frames += 1
        self.with_depth += frame.surfaces is not None
        self.seconds += sum(frame.result.stages.values()) / 1000
        self.masks.update({item.id: int(item.area > 0) for item in frame.result.objects})
        self.poses.update({object_id: int(surface.has_pose) for object_id, surface in (frame.surfaces or {}).items()})
        self._writer.add(frame.event.recorded_ns, messages)
