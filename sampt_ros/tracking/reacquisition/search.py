"""The search for lost objects on a stream's frames, and the check whether masks are still on theirs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame, ObjectState
from sampt_ros.errors import QueryError
from sampt_ros.tracking.frame_segmenter import FrameSegmenter
from sampt_ros.tracking.mask_decoding import ObjectPrompt
from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.reacquisition.appearance import SMALLEST
from sampt_ros.tracking.reacquisition.matching import Looks, Reacquisition
from sampt_ros.tracking.reacquisition.scene_cut import SceneChange


class ObjectSearch:
    """Learns what objects look like, and finds by it those that are lost. Does nothing unless `reacquire.enabled`."""

    def __init__(self, config: SamPtConfig, segmenter: FrameSegmenter) -> None:
        self.config = config
        self._segmenter = segmenter
        self._reacquisition = Reacquisition(config.reacquire)
        self._scene = SceneChange()

    def reset(self) -> None:
        """Forget the last frame, as for another camera."""
        self._scene.reset()

    def looks_in(self, picture: Frame, mask: np.ndarray) -> Looks:
        """The looks of the object in a picture, its mask (H, W) bool; raises QueryError if they cannot be learned."""
        places = self._segmenter.describe(picture)
        looks = self._reacquisition.from_reference(picture.index, places, mask)
        if not looks.appearance.learned:
            height, width = picture.size
            cell = (width / places.shape[1]) * (height / places.shape[0])
            raise QueryError(
                f"expected an object that fills {SMALLEST:.0%} of a cell of {cell:.0f} pixels in the picture, to know "
                f"it again; got one of {np.count_nonzero(mask)} pixels"
            )
        return looks

    def drifted(self, objects: Sequence[TrackedObject], frame: Frame) -> list[TrackedObject]:
        """The objects whose masks are on something else by now. All others are learned from, now and then."""
        if not self.config.reacquire.enabled:
            return []
        cut = self._scene.update(frame)
        return [item for item in objects if self._has_drifted(item, frame, cut)]

    def found(
        self, objects: Sequence[TrackedObject], frame: Frame
    ) -> Iterator[tuple[TrackedObject, np.ndarray, float]]:
        """Each lost object that is there again, with its mask (H, W) bool and predicted IoU.

        The caller gives the object its mask before it asks for the next one, which cannot be at the same place then.
        """
        if not self.config.reacquire.enabled:
            return
        for item in objects:
            if item.looks is None or not self._is_looked_for(item, item.looks):
                continue
            if (mask_and_score := self._find(item, item.looks, objects, frame)) is not None:
                yield item, *mask_and_score

    def _has_drifted(self, item: TrackedObject, frame: Frame, cut: bool) -> bool:
        """Whether an object's mask is on something else. It is asked when it is to be learned from, and after a cut."""
        looks, mask = item.looks, item.result.mask
        if looks and cut:
            self._reacquisition.cut(looks)
        if not item.result.state.has_mask or (looks and frame.index < looks.due and not looks.doubted):
            return False
        places = self._segmenter.describe(frame)
        if looks and self._reacquisition.has_drifted(looks, places, mask):
            return True
        if looks is None or frame.index >= looks.due:
            item.looks = self._reacquisition.learn(looks, frame.index, places, mask)
        else:
            looks.doubted = False
        return False

    def _is_looked_for(self, item: TrackedObject, looks: Looks) -> bool:
        """An object without a mask, unless its mask is refused for only a few frames yet."""
        state = item.result.state
        looks.missed = 0 if state.has_mask else looks.missed + 1
        return not state.has_mask and (state == ObjectState.LOST or looks.missed >= self.config.reacquire.patience)

    def _find(
        self, item: TrackedObject, looks: Looks, objects: Sequence[TrackedObject], frame: Frame
    ) -> tuple[np.ndarray, float] | None:
        """A lost object's mask and predicted IoU, by a click where the frame looks most like it; None: not there."""
        places = self._segmenter.describe(frame)
        taken = np.zeros(frame.size, bool)
        for other in objects:
            taken |= other.result.mask
        place = self._reacquisition.place(looks, frame.index, places, taken)
        if place is None:
            return None
        scale = np.array(frame.size[::-1], np.float32) / places.shape[1::-1]
        click = ObjectPrompt(((place + 0.5) * scale - 0.5)[None].astype(np.float32), memory=item.memory)
        prompting = self.config.prompting
        mask, score = self._segmenter.masks(frame, [click], prompting.refinements, ambiguous=True)[0]
        if not score >= prompting.iou_threshold:  # a NaN is refused too
            mask = np.zeros_like(mask)
        return (mask, score) if self._reacquisition.confirms(looks, frame.index, places, place, mask) else None
