"""Decides whether a new mask still shows the object, or something else that took its place (drift).

A segmenter finds a good mask of whatever the points and the propagated mask lie on, and gives it a high predicted IoU.
Therefore each new mask is compared with how the object and its surroundings looked before, by two measures of the
features around it:

resemblance  Cosine similarity of the mean features under the mask and the object's mean features, scaled so that it is
             1 for the object's own mean features and 0 for those of its surroundings.
margin       How much more similar the cells under the mask are to the most similar cell of the object than to the most
             similar cell of its surroundings. Below 0, the mask lies on what was beside the object before.

Objects turn and change, so low measures alone are weak evidence. These are the rules:

- Usually a mask is doubted only if both measures are low and something else is suspicious: for some frames after the
  area or the predicted IoU dropped, or after contact with the image's border.
- A mask that clearly lies on what was beside the object is always doubted.
- Both measures must be high after most of the area was lost at once, after a mask was doubted, and while the mask
  stands still in its surroundings although its object was moving.
- A mask that moves relative to its surroundings does not lie on the background, so it is not doubted. But if the
  background moves too, whatever the object leaves behind may also move. So after a doubt, the mask must move as fast as
  its object did; and if most of the area was lost, a slower mask must be high in one measure.
- The thresholds are higher for some frames after the predicted IoU fell far, and for a mask that appears after nothing
  was found, because it may show what the object left behind.
- If a mask consists of several parts, those unlike the object are removed, so that what a moving object leaves behind
  does not stay in its mask.
- Some objects cannot be distinguished from their surroundings by these measures, such as thin objects, or one among
  others of its kind: their own first masks have a low margin. They are doubted only if they stand still and something
  is suspicious.

Margins are compared with those of the object's first masks. All numbers here were chosen on the validation sequences of
training.nano.validation, on the development sequences of benchmarks/leave_and_return.py, and on 17 clips without
annotations whose objects stay in view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

import cv2
import numpy as np

from sampt_ros.data_types import LocalMask
from sampt_ros.segmenters.base import WindowFeatures
from sampt_ros.tracking.reacquisition.object_view import ObjectView
from sampt_ros.utils.blas_threads import on_one_thread

_CAPACITY = 6  # Number of frames whose views are remembered; the first one is always among them.
_FIRST_GAP, _GAP = 1, 4  # Frames between the first two remembered ones, and the most frames between any two of them.
_LEARNED_FROM = 0.6  # A mask is not learned from if its resemblance is lower than this, ...
_LEARNED_MARGIN = 0.6  # ... if its margin is a smaller share of the first masks' margin, ...
_LEARNED_GROWTH = 1.25  # ... or if it is larger than the masks before it by this factor: it may be leaking.
_RECENT = 8  # A mask is compared with the median area and predicted IoU of this many masks before it, ...
_SETTLED = 3  # ... as soon as there are this many; before that, no mask is doubted.
_FIRST_MASKS = 8  # This many first masks decide whether the object can be distinguished from its surroundings: ...
_DISTINCTIVE_MARGIN = 0.2  # ... it can if their median margin is at least this.
_SUSPICIOUS_AREA, _SUSPICIOUS_SCORE = 0.85, 0.9  # A smaller share of the usual area or predicted IoU is suspicious, ...
_SUSPICIOUS_CONTACT = 0.1  # ... and so are more pixels on the image's border than this times the area's square root.
_ALARMING_SCORE = 0.75  # A smaller share of the usual predicted IoU is alarming.
_SUSPICION = 10  # Number of frames for which a suspicion lasts.
_AREA_LOSS = 0.6  # If the area is a smaller share of the median area, most of the object is gone.
# Motion relative to the surroundings, as a share of the image's longer side a frame:
_APART = 0.002  # A mask that moves at least this much does not lie on the background, ...
_STILL = 0.0006  # ... and one that moves less than this, although its object was moving, may lie on it.
_AS_BEFORE, _FAST = 0.75, 0.02  # A mask moves as before at this share of the object's usual motion, or at this motion.
_MOTIONS, _LEAST_MOTIONS = 5, 3  # Most and fewest of the latest motions that say whether the object was moving.
_MOTION_GAP = 4  # Frames between two measurements of the motion, unless it is needed sooner.
_STAYS_AFTER = 3  # After this many doubted masks in a row, one that does not move as before counts as standing still.
_GIVEN_UP_AFTER = 8  # Number of doubted masks in a row after which the object is lost.
_SMALLEST_PART = 0.08  # Parts that are a smaller share of the mask are not examined.


@dataclass(frozen=True)
class Likeness:
    """How similar a mask is to the object; the module's docstring explains the two measures."""

    resemblance: float
    margin: float

    @property
    def share(self) -> float:
        """0..1: the factor by which the predicted IoU of a doubted mask is lowered."""
        return min(max(self.resemblance, 0.0), 1.0)

    def reaches_both(self, least: Likeness) -> bool:
        """Whether both measures reach those of `least`."""
        return self.resemblance >= least.resemblance and self.margin >= least.margin

    def reaches_either(self, least: Likeness) -> bool:
        """Whether either measure reaches that of `least`."""
        return self.resemblance >= least.resemblance or self.margin >= least.margin


CERTAIN = Likeness(1.0, 1.0)
# Thresholds whose margin is a share of the margin of the object's first masks:
_LEAST = Likeness(0.6, 0.15)  # A suspicious mask has to reach one of these.
_LEAST_OF_ALARMING = Likeness(0.75, 0.25)  # An alarming mask has to reach one of these.
_LEAST_OF_BOTH = Likeness(0.35, 0.3)  # A mask that lost most of its area, or follows a doubted one, has to reach both.
_LEAST_OF_RETURNED = Likeness(0.5, 0.3)  # A mask that appears after nothing was found has to reach both.
# Thresholds whose margin is absolute:
_LEAST_AFTER_CUT = Likeness(0.5, 0.0)  # A mask that was found by the search after a cut has to reach both.
_LEAST_OF_FOUND = Likeness(0.65, 0.15)  # A mask that was found by the search after the object had left, likewise.
_LEAST_OF_STILL = Likeness(0.6, 0.1)  # A mask that stands still while its object was moving has to reach both.
_LEAST_OF_STOPPED = 0.7  # A mask that stands still has to reach this resemblance if its object is not distinctive.
_LEAST_MARGIN = -0.05  # A mask of a lower margin is always doubted: it lies on what was beside the object.
_LEAST_OF_PART = Likeness(0.5, 0.03)  # A part of a mask that reaches neither is removed.
_LEAST_OF_OTHER_PART = Likeness(0.5, 0.3)  # A part that is not the largest has to reach both; margin as a share.


@dataclass(frozen=True, eq=False)
class ObjectLooks:
    """What an object looked like in its first frame and in its latest ones.

    It is immutable: queries change nothing, and events return an updated copy.

    views           of frames in which the object was certainly seen, oldest first
    first_margins   margins of its first masks
    masks           (area in pixels, predicted IoU) of its latest accepted masks, oldest first
    learn_at        index of the frame from which its views are to be learned again
    suspected_till  index of the last frame of the latest suspicion
    alarmed_till    index of the last frame of the latest alarm: the predicted IoU fell far
    frames_doubted  number of masks in a row that were doubted
    is_absent       whether nothing was found on an earlier frame, and no mask was accepted since then
    motions         motions of accepted masks relative to their surroundings, every few frames, oldest first; see
                    relative_motion
    motion          motion of its newest mask, or None if unknown
    motion_at       index of the frame from which the motion is to be measured again
    """

    views: tuple[ObjectView, ...] = ()
    first_margins: tuple[float, ...] = ()
    masks: tuple[tuple[int, float], ...] = ()
    learn_at: int = 0
    suspected_till: int = -1
    alarmed_till: int = -1
    frames_doubted: int = 0
    is_absent: bool = False
    motions: tuple[float, ...] = ()
    motion: float | None = None
    motion_at: int = 0

    # Queries

    @on_one_thread
    def likeness(self, around: WindowFeatures, mask: LocalMask) -> Likeness:
        """How similar the content of a mask with at least one pixel is to the object.

        It is CERTAIN while nothing is known of the object.
        """
        return self.likeness_of(ObjectView.of(around, mask))

    @property
    def is_distinctive(self) -> bool:
        """Whether the object differs enough from its surroundings for likeness to reveal masks of other things."""
        margins = self.first_margins
        return len(margins) >= _SETTLED and median(margins) >= _DISTINCTIVE_MARGIN

    def doubts(self, likeness: Likeness, index: int, area: int) -> bool:
        """Whether a mask with this area in pixels and this likeness on frame `index` may show something else."""
        is_suspicious = index <= self.suspected_till
        stays = self.has_stopped or (self.frames_doubted >= _STAYS_AFTER and not self._moves_as_before)
        if not self.is_distinctive:
            return stays and (is_suspicious or self.frames_doubted > 0) and likeness.resemblance < _LEAST_OF_STOPPED
        is_alarming = index <= self.alarmed_till
        least = self._with_own_margin(_LEAST_OF_ALARMING if is_alarming else _LEAST)
        if self.is_absent:
            return not likeness.reaches_both(self._with_own_margin(_LEAST_OF_RETURNED))
        if self._moves_as_before:
            return (self.frames_doubted > 0 or is_alarming) and not likeness.reaches_either(least)
        if stays:
            return not likeness.reaches_both(_LEAST_OF_STILL)
        if self.moves_apart and not self.frames_doubted:
            return (self._has_shrunk(area) or is_alarming) and not likeness.reaches_either(least)
        if self.frames_doubted or self._has_shrunk(area):
            return not likeness.reaches_both(self._with_own_margin(_LEAST_OF_BOTH))
        return (is_suspicious and not likeness.reaches_either(least)) or likeness.margin < _LEAST_MARGIN

    def _with_own_margin(self, least: Likeness) -> Likeness:
        """Turn the margin of `least` from a share of the margin of the object's first masks into an absolute one."""
        return replace(least, margin=least.margin * median(self.first_margins))

    def is_found_again(self, likeness: Likeness, follows_cut: bool) -> bool:
        """Whether a mask of this likeness that was found while the object was lost shows the object.

        follows_cut: whether the object was lost at a cut. Then it is probably in the image, and the thresholds are
        lower than for an object that has left the image
        """
        least = _LEAST_AFTER_CUT if follows_cut else _LEAST_OF_FOUND
        return likeness.reaches_both(least) if self.is_distinctive else likeness.resemblance >= least.resemblance

    def wants_motion(self, likeness: Likeness, index: int, area: int) -> bool:
        """Whether the motion of a mask with this area in pixels and this likeness is needed on frame `index`."""
        return index >= self.motion_at or index <= self.suspected_till or self.doubts(likeness, index, area)

    @property
    def moves_apart(self) -> bool:
        """Whether its newest mask moves relative to its surroundings, so that it does not lie on the background."""
        return self.motion is not None and self.motion >= _APART

    @property
    def _moves_as_before(self) -> bool:
        """Whether its newest mask moves relative to its surroundings, either fast or about as fast as those before."""
        usual = median(self.motions) if self.motions else 0.0
        return self.motion is not None and self.motion >= max(_APART, min(_AS_BEFORE * usual, _FAST))

    @property
    def has_stopped(self) -> bool:
        """Whether its newest mask stands still in its surroundings, although those before it moved."""
        was_moving = len(self.motions) >= _LEAST_MOTIONS and median(self.motions) >= _APART
        return was_moving and self.motion is not None and self.motion < _STILL

    def own_parts(self, around: WindowFeatures, mask: LocalMask) -> LocalMask:
        """A mask of bool without the parts that are unlike the object; the whole mask if all parts are."""
        if not self.is_distinctive:
            return mask
        (left, top, _, _), inside = mask.bounds, mask.within_bounds
        count, labels = cv2.connectedComponents(inside.view(np.uint8), connectivity=8)
        if count == 2:  # one part, and the rest
            return mask
        areas = np.bincount(labels.ravel(), minlength=count)[1:]
        large = [part for part in range(1, count) if areas[part - 1] >= _SMALLEST_PART * areas.sum()]
        if len(large) < 2:
            return mask
        parts = {part: LocalMask(labels == part, left, top, mask.image_size) for part in large}
        likeness = {part: self.likeness(around, parts[part]) for part in large}
        largest = max(large, key=lambda part: areas[part - 1])
        least_of_others = self._with_own_margin(_LEAST_OF_OTHER_PART)
        alien = [
            part
            for part in large
            if not likeness[part].reaches_either(_LEAST_OF_PART)
            or (part != largest and not likeness[part].reaches_both(least_of_others))
        ]
        if len(alien) == len(large):
            return mask
        return LocalMask(inside & ~np.isin(labels, alien), left, top, mask.image_size)

    def likeness_of(self, view: ObjectView) -> Likeness:
        """How similar the mask of a view is to the object; CERTAIN while nothing is known of the object."""
        if not self.views:
            return CERTAIN
        resemblance = max(known.resemblance(view) for known in self.views)
        shares = view.inside[view.inside > 0]
        return Likeness(resemblance, float(np.average(self._margins(view), weights=shares)) if len(shares) else 0.0)

    @property
    def is_given_up(self) -> bool:
        """Whether so many masks in a row were doubted that the object counts as lost."""
        return self.frames_doubted >= _GIVEN_UP_AFTER

    def _has_shrunk(self, area: int) -> bool:
        return len(self.masks) >= _SETTLED and area < _AREA_LOSS * self._usual[0]

    def _can_learn_from(self, index: int, likeness: Likeness, area: int) -> bool:
        """Whether an accepted mask with this area in pixels certainly shows the object, and all of it."""
        if self._has_shrunk(area) or likeness.resemblance < _LEARNED_FROM:
            return False
        if len(self.masks) < _SETTLED:
            return True
        least_margin = _LEARNED_MARGIN * median(self.first_margins) if self.is_distinctive else -np.inf
        is_like, is_as_large = likeness.margin >= least_margin, area <= _LEARNED_GROWTH * self._usual[0]
        # If nothing is suspicious, an object that moves may have changed its appearance or its size, but not both.
        may_change = self.moves_apart and index > self.suspected_till
        return (is_like or is_as_large) if may_change else (is_like and is_as_large)

    @property
    def _usual(self) -> tuple[float, float]:
        """Median area in pixels and median predicted IoU of its latest masks."""
        areas, scores = zip(*self.masks)
        return median(areas), median(scores)

    def _margins(self, view: ObjectView) -> np.ndarray:
        """(k,) how much more similar each cell under the mask is to the object's cells than to its surroundings'."""
        (own, other), features = self._cells, view.features[view.inside > 0]
        margins: np.ndarray = _highest(features, own) - _highest(features, other)
        return margins

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        own = np.concatenate([view.object_cells for view in self.views])
        return own, np.concatenate([view.surrounding_cells for view in self.views])

    # Events

    def observed(self, index: int, mask: LocalMask, score: float) -> ObjectLooks:
        """After a mask with this predicted IoU was found on frame `index`, which may raise a suspicion."""
        if len(self.masks) < _SETTLED:
            return replace(self, motion=None)
        area, (usual_area, usual_score) = float(mask.area), self._usual
        is_suspicious = (
            area < _SUSPICIOUS_AREA * usual_area
            or score < _SUSPICIOUS_SCORE * usual_score
            or _border_contact(mask) > _SUSPICIOUS_CONTACT * area**0.5
        )
        suspected_till = index + _SUSPICION if is_suspicious else self.suspected_till
        is_alarming = score < _ALARMING_SCORE * usual_score
        alarmed_till = index + _SUSPICION if is_alarming else self.alarmed_till
        return replace(self, suspected_till=suspected_till, alarmed_till=alarmed_till, motion=None)

    def moved(self, motion: float | None) -> ObjectLooks:
        """After the motion of its newest mask was measured; None if it is unknown."""
        return replace(self, motion=motion)

    def accepted(self, index: int, around: WindowFeatures, mask: LocalMask, score: float) -> ObjectLooks:
        """After a mask with this predicted IoU was accepted on frame `index`."""
        view = ObjectView.of(around, mask)
        return self.accepted_view(index, view, self.likeness_of(view), mask.area, score)

    def accepted_view(self, index: int, view: ObjectView, likeness: Likeness, area: int, score: float) -> ObjectLooks:
        """After a mask was accepted on frame `index`, given its view, likeness, area in pixels and predicted IoU."""
        first_margins = (*self.first_margins, likeness.margin)[:_FIRST_MASKS] if self.views else ()
        masks = (*self.masks, (area, score))[-_RECENT:]
        known = replace(
            self._with_motion(index), first_margins=first_margins, masks=masks, frames_doubted=0, is_absent=False
        )
        if index < self.learn_at or not self._can_learn_from(index, likeness, area):
            return known
        views = (*self.views, view)
        if len(views) > _CAPACITY:
            views = (views[0], *views[2:])
        return replace(known, views=views, learn_at=index + min(_GAP, _FIRST_GAP * len(views)))

    def _with_motion(self, index: int) -> ObjectLooks:
        """With the motion of the mask that was accepted on frame `index`, if it is due to be remembered."""
        if index < self.motion_at:
            return self
        motions = self.motions if self.motion is None else (*self.motions, self.motion)[-_MOTIONS:]
        gap = 1 if len(motions) < _LEAST_MOTIONS else _MOTION_GAP
        return replace(self, motions=motions, motion_at=index + gap)

    def doubted(self) -> ObjectLooks:
        """After a mask was doubted."""
        return replace(self, frames_doubted=self.frames_doubted + 1)

    def absent(self) -> ObjectLooks:
        """After nothing was found of the object on a frame."""
        return replace(self, is_absent=len(self.masks) >= _SETTLED)

    def lost(self) -> ObjectLooks:
        """After the object was lost: it may come back at another size."""
        return replace(self, masks=(), frames_doubted=0, is_absent=False, motion=None)


def _border_contact(mask: LocalMask) -> int:
    """Number of pixels of a mask of bool on the image's border."""
    (height, width), everything = mask.image_size, slice(None)
    rows = (mask.part(slice(at, at + 1), everything) for at in (0, height - 1))
    columns = (mask.part(everything, slice(at, at + 1)) for at in (0, width - 1))
    return sum(int(np.count_nonzero(side)) for side in (*rows, *columns))


def _highest(features: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(n,) the cosine similarity of each of the features (n, C) to the most similar cell (k, C); 0 without cells."""
    if not len(cells):
        return np.zeros(len(features), np.float32)
    highest: np.ndarray = (features @ cells.T).max(axis=1)
    return highest
