"""Moves the objects' masks to the next frame, by the point tracker's motion or by a mask propagator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.mask_propagators import build_mask_propagator
from sampt_ros.mask_propagators.base import MaskPropagator
from sampt_ros.tracking.effort import Effort
from sampt_ros.tracking.object_state import TrackedObject
from sampt_ros.tracking.points.point_set import MIN_PROPAGATED, TrackedPoints


class MaskCarrier:
    """Keeps `TrackedObject.propagated_mask` up to date, and decides how it is used."""

    def __init__(self, config: SamPtConfig, points: TrackedPoints, propagator: MaskPropagator | None = None) -> None:
        """propagator: instead of the one that `config` names; raises what `build_mask_propagator` raises."""
        self.config = config
        self._points = points
        self._propagator = propagator or build_mask_propagator(config)

    @property
    def carries_masks(self) -> bool:
        """Whether masks can be moved to the next frame at all."""
        return self._propagator is not None or self._points.tracker.carries_masks

    @property
    def concurrent(self) -> bool:
        """Whether `moved` may be called in several threads at once, also while one moves the points."""
        return self._propagator is None and self._points.tracker.concurrent

    def reset(self) -> None:
        """Forget all objects."""
        if self._propagator is not None:
            self._propagator.reset()

    def restart(self, tracked: TrackedObject, frame: Frame) -> None:
        """Continue from the object's mask on the newest frame; earlier state of its id is forgotten."""
        if self._propagator is None:
            return
        self._propagator.remove(tracked.id)
        mask = tracked.propagated_mask
        if mask is not None and mask.area:
            self._propagator.start(tracked.id, mask.on_object.whole(), frame)

    def remove(self, object_id: int) -> None:
        """Forget an object."""
        if self._propagator is not None:
            self._propagator.remove(object_id)

    def move(self, objects: Sequence[TrackedObject], frames: Sequence[Frame], effort: Effort) -> None:
        """Move the masks from the previous frame, frames[0], to the newest, frames[-1]."""
        if self._propagator is None:
            among = count_masks(objects)
            for tracked in objects:
                tracked.propagated_mask = self.moved(tracked, frames, effort, among)
            return
        found = self._propagator.update(frames[-1])
        for tracked in objects:
            tracked.propagated_mask, tracked.certainty = None, 0.0
            if tracked.id in found:
                tracked.propagated_mask = _unless_tiny(found[tracked.id].mask)
                tracked.certainty = found[tracked.id].certainty

    def follow(self, tracked: TrackedObject, frames: Sequence[Frame], effort: Effort) -> None:
        """Move a new object's mask from frames[0], where it was clicked, to the newest frame, frames[-1]."""
        mask = tracked.propagated_mask
        if self._propagator is None or mask is None:
            tracked.propagated_mask = self.moved(tracked, frames, effort)
            return
        found = self._propagator.follow(mask.on_object.whole(), frames)
        tracked.propagated_mask, tracked.certainty = _unless_tiny(found.mask), found.certainty

    def prompt(self, tracked: TrackedObject) -> LocalMask | None:
        """The segmenter's mask prompt for an object, or None."""
        is_used = self._propagator is not None or self.config.prompting.carry_mask
        return tracked.propagated_mask if is_used else None

    def sure_mask(self, tracked: TrackedObject) -> LocalMask | None:
        """The propagated mask, of bool, on the newest frame, if it is certain enough to be used unchanged."""
        mask, options = tracked.propagated_mask, self.config.propagation
        if self._propagator is None or options.use != "mask" or mask is None or tracked.certainty < options.certainty:
            return None
        return mask.on_object

    def learn(self, tracked: TrackedObject, frame: Frame) -> None:
        """Teach the propagator an accepted mask of the segmenter, on a frame where the propagator was not sure."""
        if self._propagator is not None and self.config.propagation.use == "mask" and tracked.result.state.has_mask:
            self._propagator.start(tracked.id, tracked.result.local_mask.whole(), frame)

    def moved(
        self, tracked: TrackedObject, frames: Sequence[Frame], effort: Effort, among: int = 1
    ) -> LocalMask | None:
        """An object's mask of frames[0] on frames[-1], by the tracker's motion; the object is not changed.

        among: number of masks that are moved, see count_masks
        """
        mask = tracked.propagated_mask
        # A mask that is not moved is dropped, because it would be outdated if the option were switched on later.
        carries = self.config.prompting.carry_mask or effort.carries
        return None if mask is None or not carries else self._points.propagate_mask(mask, frames, among)


def count_masks(objects: Sequence[TrackedObject]) -> int:
    """How many of the objects have a mask to be moved."""
    return sum(tracked.propagated_mask is not None for tracked in objects)


def _unless_tiny(mask: np.ndarray) -> LocalMask | None:
    """A mask (H, W), or None if too little of it is left, so that only the points locate the object."""
    return local if (local := LocalMask.of(mask)).area >= MIN_PROPAGATED else None
