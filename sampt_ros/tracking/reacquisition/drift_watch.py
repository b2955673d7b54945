"""Judges each frame's new masks by what is known of their objects (see drift)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.segmenters.base import WindowFeatures
from sampt_ros.tracking.frame_buffer import FrameBuffer
from sampt_ros.tracking.frame_segmenter import FrameSegmenter
from sampt_ros.tracking.reacquisition.drift import CERTAIN, Likeness, ObjectLooks
from sampt_ros.tracking.reacquisition.object_view import ObjectView
from sampt_ros.tracking.reacquisition.relative_motion import relative_motion
from sampt_ros.utils.blas_threads import on_one_thread
from sampt_ros.utils.side_threads import SideThreads


@dataclass(frozen=True, eq=False)
class NewMask:
    """A mask that was found on the newest frame.

    looks  what is known of its object
    mask   of bool
    score  predicted IoU
    """

    looks: ObjectLooks
    mask: LocalMask
    score: float


@dataclass(frozen=True, eq=False)
class Verdict:
    """The judgement of an object's new mask.

    looks       what is known of the object from now on
    mask        of bool, without parts that show something else
    likeness    how similar it is to the object
    is_doubted  whether it may show something else
    view        the mask and its surroundings, or None if they were not examined
    """

    looks: ObjectLooks
    mask: LocalMask
    likeness: Likeness = CERTAIN
    is_doubted: bool = False
    view: ObjectView | None = None


class DriftWatch:
    """Compares new masks with what is known of their objects. If `reacquire.enabled` is off, no mask is doubted."""

    def __init__(
        self, config: SamPtConfig, segmenter: FrameSegmenter[Any, Any], frames: FrameBuffer, side: SideThreads
    ) -> None:
        """frames: the stream's latest frames, including the newest; side: threads that judge several masks at once."""
        self.config = config
        self._segmenter, self._frames, self._side = segmenter, frames, side
        self._verdicts: list[Verdict] = []  # Those of the newest frame, so that `learned` can use their views again.

    @on_one_thread
    def judge(self, found: Sequence[NewMask], frame: Frame) -> list[Verdict]:
        """Judge the masks that were found of some objects on the newest frame; returns a verdict for each, in order.

        Masks that are empty or have a too low predicted IoU are not examined, because they are refused anyway.
        """
        around = [self._segmenter.describe_object(frame, new.mask) if self._is_judged(new) else None for new in found]
        self._verdicts = self._side.share(lambda pair: self._verdict(*pair, frame), list(zip(found, around)))
        return self._verdicts

    def _is_judged(self, new: NewMask) -> bool:
        is_rated_enough = new.score >= self.config.prompting.iou_threshold  # False for a NaN
        return self.config.reacquire.enabled and is_rated_enough and new.mask.area > 0

    def _verdict(self, new: NewMask, around: WindowFeatures | None, frame: Frame) -> Verdict:
        if around is None:
            return Verdict(new.looks.absent(), new.mask)
        mask = new.looks.own_parts(around, new.mask)
        looks = new.looks.observed(frame.index, mask, new.score)
        view = ObjectView.of(around, mask)
        likeness = looks.likeness_of(view)
        if looks.wants_motion(likeness, frame.index, mask.area):
            looks = looks.moved(self._motion(mask))
        is_doubted = looks.doubts(likeness, frame.index, mask.area)
        return Verdict(looks.doubted() if is_doubted else looks, mask, likeness, is_doubted, view)

    def _motion(self, mask: LocalMask) -> float | None:
        """The motion of a mask on the newest frame, see relative_motion; None without an earlier frame."""
        if len(self._frames) < 2:
            return None
        previous, newest = list(self._frames)[-2:]
        return relative_motion(previous.gray, newest.gray, mask)

    @on_one_thread
    def learned(self, looks: ObjectLooks, mask: LocalMask, score: float, frame: Frame) -> ObjectLooks:
        """What is known of an object after its mask, with this predicted IoU, was accepted on `frame`."""
        if not self.config.reacquire.enabled:
            return looks
        for verdict in self._verdicts:
            if verdict.mask is mask and verdict.view is not None:
                return looks.accepted_view(frame.index, verdict.view, verdict.likeness, mask.area, score)
        return looks.accepted(frame.index, self._segmenter.describe_object(frame, mask), mask, score)
