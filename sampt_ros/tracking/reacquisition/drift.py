"""Whether a new mask still is the object, or something else that is left in its place.

A segmenter finds a good mask of whatever the points and the propagated mask lie on, and rates it high. So each new mask
is compared with what the object and its surroundings looked like before, by two measures of the features around it:

resemblance  The cosine of the mean features under the mask to the object's own, scaled so that the mean features of
             its surroundings have 0 and its own have 1.
margin       How much more each cell under the mask is like the most similar cell of the object than like the most
             similar one of its surroundings. Below 0, the mask lies on what was beside the object before.

Objects turn and change, so this alone says little. A mask that is low in both is doubted where there is a reason for
suspicion besides: for some frames after a loss of area or of predicted IoU, or contact with the image's border. One
that clearly lies on what was beside the object is always doubted. Where most of the area is gone at once, where the
mask stands still in its surroundings while its object moved, and after a mask was doubted, both measures have to be
high. A mask that moves unlike its surroundings cannot lie on the background, and is not doubted; but where backgrounds
move too, what is left behind does as well. So after a doubt it has to move as fast as its object did, and what is
slower after a loss of most of the area has to be high in one measure. More is asked for some frames after the predicted
IoU fell far, and of what comes back after nothing was found, which may be what the object has left behind.

Parts of a mask that falls into parts are compared with the object too, so that what is left behind does not stay in the
mask of one that moves on. An object whose own first masks have a low margin, as a thin one or one among others of its
kind, cannot be told from its surroundings so: it is doubted only where it stands still and something is suspicious.

Margins are compared with those of the object's own first masks. All numbers here were chosen on the validation
sequences of training.nano.validation, on the development sequences of benchmarks/leave_and_return.py, and on 17 clips
without annotations whose objects stay in view.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import median

import cv2
import numpy as np

from sampt_ros.geometry.crops import box_of
from sampt_ros.segmenters.base import WindowFeatures
from sampt_ros.tracking.reacquisition.object_view import ObjectView
from sampt_ros.utils.blas_threads import on_one_thread

_CAPACITY = 6  # Frames in which an object's looks are remembered; the first one always is among them.
_FIRST_GAP, _GAP = 1, 4  # Frames between the first two that are remembered, and at most.
_LEARNED_FROM = 0.6  # A mask of lower resemblance is not learned from, ...
_LEARNED_MARGIN = 0.6  # ... nor one of a lower share of the first masks' margin, ...
_LEARNED_GROWTH = 1.25  # ... or one that is so many times as large as those before it: the mask may be leaking.
_RECENT = 8  # A mask is compared with the median area and predicted IoU of so many masks before it ...
_SETTLED = 3  # ... once there are so many; before that, none is doubted.
_TELLING = 8  # The object's first so many masks say whether it can be told from its surroundings at all: ...
_TELLING_MARGIN = 0.2  # ... their median margin is at least this.
_SUSPICIOUS_AREA, _SUSPICIOUS_SCORE = 0.85, 0.9  # Less than this share of either is suspicious ...
_SUSPICIOUS_CONTACT = 0.1  # ... and so is more of the image's border, as a share of the square root of the area.
_ALARMING_SCORE = 0.75  # Less than this share of the predicted IoU is alarming.
_SUSPICION = 10  # Frames that a suspicion lasts.
_AREA_LOSS = 0.6  # With a smaller share of the median area, most of the object is gone.
_APART = 0.002  # What moves by this share of the image's longer side a frame is no background ...
_STILL = 0.0006  # ... and what moves less, where its object did not, may be.
_AS_BEFORE, _FAST = 0.75, 0.02  # At this share of its usual motion, or at this motion, an object goes on as before.
_MOTIONS, _LEAST_MOTIONS = 5, 3  # Its latest motions, and at least so many, say whether the object was moving.
_MOTION_GAP = 4  # Frames between them, where nothing else asks for one.
_STAYS_AFTER = 3  # After so many doubted masks in a row, one that does not go on as before is taken to stand still.
_GIVEN_UP_AFTER = 8  # Doubted masks in a row after which the object is lost.
_SMALLEST_PART = 0.08  # A part of a smaller share of the mask is left as it is.


@dataclass(frozen=True)
class Likeness:
    """How much a mask is like the object: see the module."""

    resemblance: float
    margin: float

    @property
    def share(self) -> float:
        """0..1: what the likeness leaves of a doubted mask's predicted IoU."""
        return min(max(self.resemblance, 0.0), 1.0)

    def is_surely(self, least: Likeness) -> bool:
        """Whether both measures reach those of `least`."""
        return self.resemblance >= least.resemblance and self.margin >= least.margin

    def reaches(self, least: Likeness) -> bool:
        """Whether either measure reaches that of `least`."""
        return self.resemblance >= least.resemblance or self.margin >= least.margin


CERTAIN = Likeness(1.0, 1.0)
# Margins as shares of that of the object's own masks:
_LEAST = Likeness(0.6, 0.15)  # A suspicious mask has to reach this in one measure.
_LEAST_OF_ALARMING = Likeness(0.75, 0.25)  # An alarming one, likewise.
_LEAST_OF_BOTH = Likeness(0.1, 0.2)  # One that lost most of its area, in both.
_LEAST_OF_RETURNED = Likeness(0.5, 0.3)  # One that is back after nothing was found, in both.
# From here on, margins are not shares of the object's own.
_LEAST_AFTER_CUT = Likeness(0.5, 0.0)  # One that was found after a cut, in both.
_LEAST_OF_STILL = Likeness(0.6, 0.1)  # One that stands still while its object moved, in both.
_LEAST_OF_FOUND = Likeness(0.65, 0.1)  # One that was found after the object had left, in both.
_LEAST_OF_STOPPED = 0.7  # Where likeness is not telling, one that stands still is doubted under this resemblance.
_LEAST_MARGIN = -0.05  # A mask of a lower margin is doubted without a suspicion: it lies on what was beside the object.
_LEAST_OF_PART = Likeness(0.5, 0.03)  # A part that does not reach it is cut off.


@dataclass(frozen=True, eq=False)
class ObjectLooks:
    """What an object looked like in its first frame and in its latest ones. It is a value.

    views           of frames in which it surely was seen, oldest first
    first_margins   of its first masks
    masks           (area in pixels, predicted IoU) of its latest accepted masks, oldest first
    learn_at        index of the frame from which on it is to be learned from again
    suspected_till  index of the last frame under the latest suspicion
    alarmed_till    likewise, after the predicted IoU fell far
    frames_doubted  masks in a row that were doubted
    is_absent       whether nothing was found of it on the frame before, or only what is still doubted since then
    motions         of its accepted masks against their surroundings, every few frames, oldest first (relative_motion)
    motion          that of its newest mask, or None where it is not known
    motion_at       index of the frame from which on it is to be measured again
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

    # Questions

    @on_one_thread
    def likeness(self, around: WindowFeatures, mask: np.ndarray) -> Likeness:
        """How much what is under a mask (H, W) bool with at least one pixel is like the object.

        It is certain while nothing is known of the object.
        """
        return self.likeness_of(ObjectView.of(around, mask))

    @property
    def is_telling(self) -> bool:
        """Whether the object is so unlike its surroundings that masks of other things are told by their likeness."""
        margins = self.first_margins
        return len(margins) >= _SETTLED and median(margins) >= _TELLING_MARGIN

    def doubts(self, likeness: Likeness, index: int, area: int) -> bool:
        """Whether a mask of so many pixels and of this likeness on frame `index` may be something else."""
        is_suspicious = index <= self.suspected_till
        stays = self.has_stopped or (self.frames_doubted >= _STAYS_AFTER and not self._goes_on)
        if not self.is_telling:
            return stays and (is_suspicious or self.frames_doubted > 0) and likeness.resemblance < _LEAST_OF_STOPPED
        least = self._own(_LEAST_OF_ALARMING if index <= self.alarmed_till else _LEAST)
        if self.is_absent:
            return not likeness.is_surely(self._own(_LEAST_OF_RETURNED))
        if self._goes_on:
            return bool(self.frames_doubted) and not likeness.reaches(least)
        if stays:
            return not likeness.is_surely(_LEAST_OF_STILL)
        if self.moves_apart and not self.frames_doubted:
            return self._has_shrunk(area) and not likeness.reaches(least)
        if self.frames_doubted or self._has_shrunk(area):
            return not likeness.is_surely(self._own(_LEAST_OF_BOTH))
        return (is_suspicious and not likeness.reaches(least)) or likeness.margin < _LEAST_MARGIN

    def _own(self, least: Likeness) -> Likeness:
        """`least`, whose margin is a share, with that share of the margin of the object's own masks."""
        return replace(least, margin=least.margin * median(self.first_margins))

    def is_found_again(self, likeness: Likeness, follows_cut: bool) -> bool:
        """Whether a mask of this likeness, found while the object was lost, is the object.

        follows_cut: it was lost by a cut, so it likely is in the picture; what has left may not be there, and more is
        asked
        """
        least = _LEAST_AFTER_CUT if follows_cut else _LEAST_OF_FOUND
        return likeness.is_surely(least) if self.is_telling else likeness.resemblance >= least.resemblance

    def wants_motion(self, likeness: Likeness, index: int, area: int) -> bool:
        """Whether the motion of a mask of so many pixels and of this likeness matters on frame `index`."""
        return index >= self.motion_at or index <= self.suspected_till or self.doubts(likeness, index, area)

    @property
    def moves_apart(self) -> bool:
        """Whether its newest mask moves unlike its surroundings, so that it cannot lie on the background."""
        return self.motion is not None and self.motion >= _APART

    @property
    def _goes_on(self) -> bool:
        """Whether its newest mask moves unlike its surroundings, and about as fast as those before it, or fast."""
        usual = median(self.motions) if self.motions else 0.0
        return self.motion is not None and self.motion >= max(_APART, min(_AS_BEFORE * usual, _FAST))

    @property
    def has_stopped(self) -> bool:
        """Whether its newest mask stands still in its surroundings, while those before it moved."""
        was_moving = len(self.motions) >= _LEAST_MOTIONS and median(self.motions) >= _APART
        return was_moving and self.motion is not None and self.motion < _STILL

    def own_parts(self, around: WindowFeatures, mask: np.ndarray) -> np.ndarray:
        """(H, W) bool: a mask without those of its parts that are not like the object, if others are."""
        if not self.is_telling:
            return mask
        left, top, right, bottom = box_of(mask).astype(int)
        box = np.s_[top : bottom + 1, left : right + 1]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask[box].astype(np.uint8), connectivity=8)
        areas = stats[1:, cv2.CC_STAT_AREA]
        large = [part for part in range(1, count) if areas[part - 1] >= _SMALLEST_PART * areas.sum()]
        if len(large) < 2:
            return mask
        parts = {part: np.zeros_like(mask) for part in large}
        for part, alone in parts.items():
            alone[box] = labels == part
        alien = [part for part in large if not self.likeness(around, parts[part]).reaches(_LEAST_OF_PART)]
        if len(alien) == len(large):
            return mask
        own = mask.copy()
        own[box] &= ~np.isin(labels, alien)
        return own

    def likeness_of(self, view: ObjectView) -> Likeness:
        """How much a view is like the object."""
        if not self.views:
            return CERTAIN
        resemblance = max(known.resemblance(view) for known in self.views)
        shares = view.inside[view.inside > 0]
        return Likeness(resemblance, float(np.average(self._margins(view), weights=shares)) if len(shares) else 0.0)

    @property
    def is_given_up(self) -> bool:
        """Whether its masks were doubted for so long that where they lie says nothing of the object."""
        return self.frames_doubted >= _GIVEN_UP_AFTER

    def _has_shrunk(self, area: int) -> bool:
        return len(self.masks) >= _SETTLED and area < _AREA_LOSS * self._usual[0]

    def _learns_from(self, index: int, likeness: Likeness, area: int) -> bool:
        """Whether an accepted mask of so many pixels surely is the object, and all of it."""
        if self._has_shrunk(area) or likeness.resemblance < _LEARNED_FROM:
            return False
        if len(self.masks) < _SETTLED:
            return True
        least_margin = _LEARNED_MARGIN * median(self.first_margins) if self.is_telling else -np.inf
        is_like, is_as_large = likeness.margin >= least_margin, area <= _LEARNED_GROWTH * self._usual[0]
        # One that moves apart may have changed its looks or its size, if nothing is suspicious, but not both.
        may_change = self.moves_apart and index > self.suspected_till
        return (is_like or is_as_large) if may_change else (is_like and is_as_large)

    @property
    def _usual(self) -> tuple[float, float]:
        """Median area and predicted IoU of its latest masks."""
        areas, scores = zip(*self.masks)
        return median(areas), median(scores)

    def _margins(self, view: ObjectView) -> np.ndarray:
        """(k,) how much more each cell that the mask touches is like the object's than like its surroundings'."""
        (own, other), features = self._cells, view.features[view.inside > 0]
        margins: np.ndarray = _highest(features, own) - _highest(features, other)
        return margins

    @cached_property
    def _cells(self) -> tuple[np.ndarray, np.ndarray]:
        own = np.concatenate([view.object_cells for view in self.views])
        return own, np.concatenate([view.surrounding_cells for view in self.views])

    # What happens

    def observed(self, index: int, mask: np.ndarray, score: float) -> ObjectLooks:
        """After a mask (H, W) bool, with its predicted IoU, was found on frame `index`: it may be suspicious."""
        if len(self.masks) < _SETTLED:
            return replace(self, motion=None)
        area, (usual_area, usual_score) = float(np.count_nonzero(mask)), self._usual
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
        """After the motion of its newest mask was measured; None: it is not known."""
        return replace(self, motion=motion)

    def accepted(self, index: int, around: WindowFeatures, mask: np.ndarray, score: float) -> ObjectLooks:
        """After a mask (H, W) bool, with its predicted IoU, was accepted on frame `index`."""
        view = ObjectView.of(around, mask)
        return self.accepted_view(index, view, self.likeness_of(view), int(np.count_nonzero(mask)), score)

    def accepted_view(self, index: int, view: ObjectView, likeness: Likeness, area: int, score: float) -> ObjectLooks:
        """After a mask of so many pixels, of known likeness, was accepted on frame `index`."""
        first_margins = (*self.first_margins, likeness.margin)[:_TELLING] if self.views else ()
        masks = (*self.masks, (area, score))[-_RECENT:]
        known = replace(
            self._with_motion(index), first_margins=first_margins, masks=masks, frames_doubted=0, is_absent=False
        )
        if index < self.learn_at or not self._learns_from(index, likeness, area):
            return known
        views = (*self.views, view)
        if len(views) > _CAPACITY:
            views = (views[0], *views[2:])
        return replace(known, views=views, learn_at=index + min(_GAP, _FIRST_GAP * len(views)))

    def _with_motion(self, index: int) -> ObjectLooks:
        """With the motion of a mask that was accepted on frame `index`, where one is due."""
        if index < self.motion_at:
            return self
        motions = self.motions if self.motion is None else (*self.motions, self.motion)[-_MOTIONS:]
        gap = 1 if len(motions) < _LEAST_MOTIONS else _MOTION_GAP
        return replace(self, motions=motions, motion_at=index + gap)

    def doubted(self) -> ObjectLooks:
        """After a mask was doubted."""
        return replace(self, frames_doubted=self.frames_doubted + 1)

    def absent(self) -> ObjectLooks:
        """After nothing was found of it on a frame."""
        return replace(self, is_absent=len(self.masks) >= _SETTLED)

    def lost(self) -> ObjectLooks:
        """After the object was lost: it may come back at another size."""
        return replace(self, masks=(), frames_doubted=0, is_absent=False, motion=None)


def _border_contact(mask: np.ndarray) -> int:
    """Pixels of a mask (H, W) bool on the image's border."""
    return sum(int(np.count_nonzero(side)) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))


def _highest(features: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(n,) the cosine of each of the features (n, C) to the most similar of some cells (k, C); 0 without any."""
    if not len(cells):
        return np.zeros(len(features), np.float32)
    highest: np.ndarray = (features @ cells.T).max(axis=1)
    return highest
