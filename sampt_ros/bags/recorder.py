"""What is tracked in a bag's images, as the node's messages in another bag."""

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
    """Writes the node's messages to a new bag, with the header and the time of the image that each belongs to.

    Nothing is touched before the first image. Raises SourceError where the bag is there already or cannot be written.

    frames, seconds   images written, and what tracking took for them
    in_space          those of them with depth
    masks, poses      images in which each object has a mask, and a pose
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
        self.poses: Counter[int] = Counter()
        self.writes_depth = depth
        self._storage = storage
        self._outputs = {
            f"{NODE}/{name}": output
            for name, output in OUTPUTS.items()
            if (overlay or name != "overlay") and (depth or not output.needs_depth) and not output.is_compressed
        }
        self._writer: BagWriter | None = None

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, frame: TrackedFrame) -> None:
        """Write the messages of one image; poses and a cloud only with depth."""
        if self._writer is None:
            self._writer = BagWriter(self.path, self._storage, {topic: WRITTEN[topic] for topic in self._outputs})
        messages = {
            topic: output.make(frame, types.classes())
            for topic, output in self._outputs.items()
            if output.is_made_of(frame)
        }
        self._writer.add(frame.event.recorded_ns, messages)
        self.frames += 1
        self.in_space += frame.surfaces is not None
        self.seconds += sum(frame.result.stages.values()) / 1000
        self.masks.update({item.id: int(item.area > 0) for item in frame.result.objects})
        self.poses.update({name: int(surface.has_pose) for name, surface in (frame.surfaces or {}).items()})
