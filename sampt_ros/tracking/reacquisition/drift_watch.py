"""The judgement of each frame's new masks, by what is known of their objects (see drift)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame
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
    """A mask (H, W) bool that was found on the newest frame, with its predicted IoU.

    looks  what is known of its object
    """

    looks: ObjectLooks
    mask: np.ndarray
    score: float


@dataclass(frozen=True, eq=False)
class Verdict:
    """What is thought of an object's new mask.

    looks       what is known of the object from now on
    mask        (H, W) bool, without parts that are something else
    likeness    how much it is like the object
    is_doubted  whether it may be something else
    view        the mask and its surroundings, or None where they were not looked at
    """

    looks: ObjectLooks
    mask: np.ndarray
    likeness: Likeness = CERTAIN
    is_doubted: bool = False
    view: ObjectView | None = None


class DriftWatch:
    """Compares new masks with what is known of their objects; without `reacquire.enabled`, none is doubted."""

    def __init__(
        self, config: SamPtConfig, segmenter: FrameSegmenter[Any, Any], frames: FrameBuffer, side: SideThreads
    ) -> None:
        """frames: the stream's last ones, with the newest; side: threads that judge beside the caller's."""
        self.config = config
        self._segmenter, self._frames, self._side = segmenter, frames, side
        self._verdicts: list[Verdict] = []  # The last ones: what is accepted is learned from right afterwards.

    @on_one_thread
    def judge(self, found: Sequence[NewMask], frame: Frame) -> list[Verdict]:
        """Judge the masks that were found of some objects on the newest frame.

        One that is empty or rated too low is refused anyway.
        """
        around = [self._segmenter.describe_object(frame, new.mask) if self._is_judged(new) else None for new in found]
        self._verdicts = self._side.share(lambda pair: self._verdict(*pair, frame), list(zip(found, around)))
        return self._verdicts

    def _is_judged(self, new: NewMask) -> bool:
        is_rated_enough = new.score >= self.config.prompting.iou_threshold  # False for a NaN
        return self.config.reacquire.enabled and is_rated_enough and bool(new.mask.any())

    def _verdict(self, new: NewMask, around: WindowFeatures | None, frame: Frame) -> Verdict:
        if around is None:
            return Verdict(new.looks.absent(), new.mask)
        mask = new.looks.own_parts(around, new.mask)
        looks = new.looks.observed(frame.index, mask, new.score)
        view, area = ObjectView.of(around, mask), int(np.count_nonzero(mask))
        likeness = looks.likeness_of(view)
        if looks.wants_motion(likeness, frame.index, area):
            looks = looks.moved(self._motion(mask))
        is_doubted = looks.doubts(likeness, frame.index, area)
        return Verdict(looks.doubted() if is_doubted else looks, mask, likeness, is_doubted, view)

    def _motion(self, mask: np.ndarray) -> float | None:
        """How the mask (H, W) bool on the newest frame moves against its surroundings, if that is known."""
        if len(self._frames) < 2:
            return None
        previous, newest = list(self._frames)[-2:]
        return relative_motion(previous.image, newest.image, mask)

    @on_one_thread
    def learned(self, looks: ObjectLooks, mask: np.ndarray, score: float, frame: Frame) -> ObjectLooks:
        """With an accepted mask (H, W) bool, and its predicted IoU."""
        if not self.config.reacquire.enabled:
            return looks
        for verdict in self._verdicts:
            if verdict.mask is mask and verdict.view is not None:
                area = int(np.count_nonzero(mask))
                return looks.accepted_view(frame.index, verdict.view, verdict.likeness, area, score)
        return looks.accepted(frame.index, self._segmenter.describe_object(frame, mask), mask, score)
