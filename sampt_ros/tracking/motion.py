"""Moves points and masks to the next frame, concurrently with encoding where possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from sampt_ros.data_types import Frame, LocalMask, Points
from sampt_ros.tracking.effort import Effort
from sampt_ros.tracking.frame_segmenter import FrameSegmenter
from sampt_ros.tracking.masks.mask_carrier import MaskCarrier, count_masks
from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.points.point_set import TrackedPoints
from sampt_ros.utils.side_threads import Pending, SideThreads

Clock = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, eq=False)
class Moved:
    """The objects' positions on the next frame.

    points  points of each object, in order
    finish  assigns the objects their moved masks; raises the error that ended their computation
    """

    points: list[Points]
    finish: Callable[[], None]


class FrameMotion:
    """Moves points on one thread and masks on all others, if the tracker can do both at once.

    As soon as a mask has been moved, the segmenter encodes the image around it. Points are awaited last. Without helper
    threads, points are moved first and masks after them.
    """

    def __init__(
        self,
        points: TrackedPoints,
        carrier: MaskCarrier,
        segmenter: FrameSegmenter[Any, Any],
        side: SideThreads,
    ) -> None:
        """side: helper threads"""
        self._points, self._carrier, self._segmenter, self._side = points, carrier, segmenter, side

    def to_next(self, objects: Sequence[TrackedObject], frames: Sequence[Frame], effort: Effort, clock: Clock) -> Moved:
        """Move everything to the last of these frames from the one before, if there is one; objects are not changed.

        Raises the error that ends the motion of the points, without having changed anything.
        """
        encodes = effort.runs_network(frames[-1].index) and any(tracked.has_visible_point for tracked in objects)
        if self._side.count and self._carrier.concurrent and not self._segmenter.asynchronous:
            return self._beside(objects, frames, effort, encodes, clock)
        # Encode before points are tracked, so that a GPU computes the embedding meanwhile.
        if encodes and self._segmenter.asynchronous:
            with clock("encoding"):
                self._segmenter.encode(frames[-1])
        with clock("tracking"), self._segmenter.saving_memory():
            moved = self._points.update([tracked.points for tracked in objects], frames[-1])

        def finish() -> None:
            with clock("carrying"):
                self._carrier.move(objects, frames, effort)

        return Moved(moved, finish)

    def _beside(
        self,
        objects: Sequence[TrackedObject],
        frames: Sequence[Frame],
        effort: Effort,
        encodes: bool,
        clock: Clock,
    ) -> Moved:
        """Move points concurrently with masks, and with the segmenter's preparation if `encodes`."""
        groups = [tracked.points for tracked in objects]
        for frame in frames:
            _ = frame.gray  # Computed here once, as all threads need it.
        pending = self._side.start(lambda: self._points.update(groups, frames[-1]))
        masks: dict[int, LocalMask | None] = {}

        def carry(tracked: TrackedObject) -> None:
            masks[tracked.id] = mask = self._carrier.moved(tracked, frames, effort, among)
            if encodes and self._segmenter.prepares_beside:
                self._prepare([tracked], [mask], visible, frames[-1], effort)

        visible = sum(tracked.has_visible_point for tracked in objects)
        among = count_masks(objects)
        failure: BaseException | None = None
        try:
            with clock("carrying"):
                if encodes:
                    self._segmenter.encode(frames[-1])
                self._side.share(carry, objects)
            if encodes and not self._segmenter.prepares_beside:
                with clock("encoding"):
                    self._prepare(objects, [masks[tracked.id] for tracked in objects], visible, frames[-1], effort)
        except BaseException as error:  # Raised by `finish`, after the points have moved; an interrupt, too.
            failure = error
        try:
            with clock("tracking"), self._segmenter.saving_memory():
                moved = pending.result()
        except (KeyboardInterrupt, SystemExit) as error:
            moved, failure = _result(pending, error), error
        except Exception:
            if isinstance(failure, (KeyboardInterrupt, SystemExit)):
                raise failure from None
            raise

        def finish() -> None:
            for tracked in objects:
                tracked.propagated_mask = masks.get(tracked.id, tracked.propagated_mask)
            if failure is not None:
                raise failure

        return Moved(moved, finish)

    def _prepare(
        self,
        objects: Sequence[TrackedObject],
        masks: Sequence[LocalMask | None],
        count: int,
        frame: Frame,
        effort: Effort,
    ) -> None:
        """Let the segmenter compute in advance for the visible ones of these objects; count: of all visible objects."""
        visible = [mask for tracked, mask in zip(objects, masks) if tracked.has_visible_point]
        prompts = [mask for mask in visible if mask is not None] if self._carrier.config.prompting.carry_mask else []
        self._segmenter.prepare(frame, prompts, count, effort.detail)


def _result(pending: Pending[list[Points]], interrupt: BaseException) -> list[Points]:
    """Wait for a result once more after an interrupt, which is raised in place of the computation's own error."""
    try:
        return pending.result()
    except Exception:
        raise interrupt from None
