"""Objects through the frames of a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import TracebackType

import numpy as np

from sampt_ros.data_types import FrameResult, ObjectResult, check_image
from sampt_ros.errors import FrameError, SourceError
from sampt_ros.io.video import FrameSource
from sampt_ros.streaming.failures import FRAMES
from sampt_ros.streaming.offline.result_spool import ResultSpool
from sampt_ros.streaming.offline.reversed_frames import reversed_frames
from sampt_ros.streaming.requests import ObjectStart
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent
from sampt_ros.tracking.sam_pt import SamPt


def track(stream: Stream, frames: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[np.ndarray, FrameResult]]:
    """Bring a stream through frames without stamps: yields every image and its result.

    frames  number and image (H, W, 3) uint8 RGB of each; the results have these numbers as `index`

    An image of another size is dropped; one whose computation failed has a result without objects. Raises QueryError if
    an object of the first frame cannot be started, FrameError if all images from some on are of another size.
    """
    for number, image in frames:
        load = partial(check_image, image)
        frame = stream.image(ImageEvent(0, None, load, title=f"frame {number}", number=number))
        if frame is None:
            continue
        if frame.change is not None:
            raise FrameError(f"frame {number}: {frame.change.news}")
        yield image, replace(frame.result, index=number)
        for _ in stream.settled():
            pass  # no depth, nothing to wait for
    stream.refuse_unstarted()


class VideoTracker:
    """Follows objects through a video from the frames where they start, and, if asked to, back to the first frame.

        with VideoTracker(sam_pt, starts) as tracker:
            for number in tracker.look_back(source):    # if the frames before the objects' starts count too
                ...
            for image, result in tracker.track(source.numbered()):
                ...

    Looking back comes first, so that each frame's result is whole when it is yielded. What it finds waits in a
    temporary file, and frames are read in portions (see reversed_frames), so that memory is bounded for any length.
    """

    def __init__(self, sam_pt: SamPt, starts: Mapping[int, ObjectStart]) -> None:
        """starts: by id, what each object starts from, and in which frame."""
        self.started: set[int] = set()  # Ids of the objects that could be started.
        self._sam_pt = sam_pt
        self._starts = starts
        self._earlier = ResultSpool()  # What looking back has found.
        self._first_point_id = 0  # The first one that no point has that was tracked backwards.
        self._stream: Stream | None = None

    def __enter__(self) -> VideoTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._earlier.close()

    @property
    def dropped(self) -> int:
        """Frames of another size, or whose computation failed, since `track` began."""
        return self._stream.statistics[FRAMES] if self._stream else 0

    def look_back(self, source: FrameSource, most: int | None = None) -> Iterator[int]:
        """Track each object backwards from its start to the first frame; yields the number of each frame that is done.

        most  if given, only so many frames of the source count, and what starts later is left out

        The object of a reference picture is left out too: it is looked for from its frame on. Raises SourceError for a
        source that cannot be read again.
        """
        if source.is_live:
            raise SourceError("expected a video or images to track backwards through; a camera's frames come only once")
        later = {
            name: start
            for name, start in self._starts.items()
            if start.reference is None and 0 < start.frame < (most or start.frame + 1)
        }
        if not later:
            return
        stream = Stream.of_recording(self._sam_pt, later)
        frames = reversed_frames(source, max(start.frame for start in later.values()))
        for _, result in track(stream, frames):
            objects = [item for item in result.objects if result.index < later[item.id].frame]
            taken = [point_id + 1 for item in objects for point_id in item.points.id.tolist()]
            self._first_point_id = max([self._first_point_id, *taken])
            self._earlier.put(replace(result, objects=tuple(objects)))
            yield result.index

    def track(self, frames: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[np.ndarray, FrameResult]]:
        """Track all objects forwards; yields every image and its result, with what looking back has found there.

        frames  number and image (H, W, 3) uint8 RGB of each, in order

        Raises what the function `track` raises.
        """
        self._stream = Stream.of_recording(self._sam_pt, self._starts)
        for image, result in track(self._stream, frames):
            self.started.update(item.id for item in result.objects)
            yield image, self._with_earlier(result)

    def _with_earlier(self, result: FrameResult) -> FrameResult:
        """A frame's result with the objects that start later, as they were tracked back to it."""
        objects = result.objects
        if self._first_point_id:
            objects = tuple(self._renumbered(item) for item in objects)
        earlier = self._earlier.get(result.index)
        if earlier is None:
            return replace(result, objects=objects)
        stages = {
            stage: result.stages.get(stage, 0.0) + earlier.stages.get(stage, 0.0)
            for stage in (result.stages | earlier.stages)
        }
        return replace(result, objects=(*objects, *earlier.objects), stages=stages)

    def _renumbered(self, item: ObjectResult) -> ObjectResult:
        """An object whose points have ids that no point has that was tracked backwards."""
        points = replace(item.points, id=item.points.id + np.uint32(self._first_point_id))
        return replace(item, points=points)
