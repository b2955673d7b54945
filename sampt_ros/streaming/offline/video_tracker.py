"""Tracks objects through the frames of a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import product
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
from sampt_ros.tracking.object_state import covers
from sampt_ros.tracking.sam_pt import SamPt


def track(stream: Stream, frames: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[np.ndarray, FrameResult]]:
    """Feed frames without stamps to a stream; yields every image and its result.

    frames  number and image (H, W, 3) uint8 RGB of each; the results have these numbers as `index`

    An image of another size is dropped; one whose computation failed has a result without objects. Raises QueryError if
    an object of the first frame cannot be started, FrameError if the image size changes for good.
    """
    for number, image in frames:
        load = partial(check_image, image)
        frame = stream.image(ImageEvent(0, None, load, title=f"frame {number}", number=number))
        if frame is None:
            continue
        if frame.change is not None:
            raise FrameError(f"frame {number}: {frame.change.message}")
        yield image, replace(frame.result, index=number)
        for _ in stream.ready_frames():
            pass  # without depth there is nothing to wait for
    stream.refuse_unstarted()


class VideoTracker:
    """Tracks objects through a video from the frames where they start, and optionally back to the first frame.

        with VideoTracker(sam_pt, starts) as tracker:
            for number in tracker.track_backwards(source):    # optional: the frames before the objects' starts
                ...
            for image, result in tracker.track(source.numbered()):
                ...

    Tracking backwards comes first, so that each frame's result is complete when it is yielded. Its results wait in a
    temporary file, and frames are read in chunks (see reversed_frames), so that memory is bounded for any length.
    """

    def __init__(self, sam_pt: SamPt, starts: Mapping[int, ObjectStart]) -> None:
        """starts: by object id, the prompts that each object starts from, and the frame they belong to."""
        self.started: set[int] = set()  # Ids of the objects that could be started.
        self._sam_pt = sam_pt
        self._starts = starts
        self._earlier = ResultSpool()  # Results of tracking backwards.
        self._first_point_id = 0  # The lowest point id that tracking backwards has not used.
        self._stream: Stream | None = None

    def __enter__(self) -> VideoTracker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._earlier.close()

    @property
    def dropped(self) -> int:
        """Number of frames of another size, or whose computation failed, since `track` began."""
        return self._stream.statistics[FRAMES] if self._stream else 0

    def track_backwards(self, source: FrameSource, max_frames: int | None = None) -> Iterator[int]:
        """Track each object backwards from its start to the first frame; yields the number of each finished frame.

        max_frames  if given, only this many frames of the source count, and objects that start later are left out

        Objects of reference pictures are left out too: they are searched for from their frame on. Raises SourceError
        for a source that cannot be read twice.
        """
        if source.is_live:
            raise SourceError("expected a video or images to track backwards through; a camera's frames come only once")
        later = {
            object_id: start
            for object_id, start in self._starts.items()
            if start.reference is None and 0 < start.frame < (max_frames or start.frame + 1)
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
        """Track all objects forwards; yields every image and its result, merged with that of tracking backwards.

        frames  number and image (H, W, 3) uint8 RGB of each, in order

        Raises what the function `track` raises.
        """
        self._stream = Stream.of_recording(self._sam_pt, self._starts)
        for image, result in track(self._stream, frames):
            self.started.update(item.id for item in result.objects)
            yield image, self._with_earlier(result)

    def _with_earlier(self, result: FrameResult) -> FrameResult:
        """A frame's result with the objects that start later and were tracked back to it."""
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
        return replace(result, objects=(*objects, *earlier.objects), stages=stages, wholes=_wholes(result, earlier))

    def _renumbered(self, item: ObjectResult) -> ObjectResult:
        """An object with its point ids shifted past those that tracking backwards has used."""
        points = replace(item.points, id=item.points.id + np.uint32(self._first_point_id))
        return replace(item, points=points)


def _wholes(result: FrameResult, earlier: FrameResult) -> dict[int, frozenset[int]]:
    """`FrameResult.wholes` of one frame that was tracked forwards and backwards.

    Objects that were tracked in different directions are parts of one another by their masks on this frame.
    """
    wholes = {object_id: frozenset(ids) for each in (result, earlier) for object_id, ids in each.wholes.items()}
    with_mask = [[item for item in each.objects if item.state.has_mask] for each in (result, earlier)]
    for one, other in product(*with_mask):
        is_part, is_whole = covers(other.local_mask, one.local_mask), covers(one.local_mask, other.local_mask)
        if is_part != is_whole:
            part, whole = (one, other) if is_part else (other, one)
            wholes[part.id] = wholes.get(part.id, frozenset()) | {whole.id}
    return wholes
