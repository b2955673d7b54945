"""Finds candidate positions of a lost object, and decides whether a mask is that object."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from sampt_ros.config.core import ReacquireConfig
from sampt_ros.data_types import LocalMask, ObjectState
from sampt_ros.tracking.reacquisition.appearance import AppearanceModel, MaskedCells

_FIRST_GAP = 4  # Frames between the first two that are learned; each further gap is longer by as many.
_MIN_RESPONSE = 0.02  # A cell with a lower response never becomes a candidate.
_MAX_STEP = 2.0  # Cells that a distractor may move from one frame to the next.
_MAX_RESPONSE_GROWTH = 1.5  # A peak whose response is this many times a distractor's is not that distractor.
_DISTRACTOR_MEMORY = 30  # Frames for which a distractor is remembered after it was last seen.
_REJECTION_PAUSE = 4  # Frames before a candidate whose mask was rejected is tried again.
_OCCUPIED = 0.5  # A cell that another object covers by a larger fraction is not a candidate.


@dataclass(frozen=True, eq=False)
class Distractor:
    """Something that looks like the object but is not.

    cell      (x, y) int in the feature map
    until     index of the frame after which it is forgotten
    response  of the cell when the distractor was first seen
    """

    cell: np.ndarray
    until: int
    response: float


@dataclass(frozen=True, eq=False)
class Sighting:
    """A mask that matched the object, waiting to be confirmed: its centre (x, y) and its size, pixels."""

    centre: np.ndarray
    size: float

    @classmethod
    def of(cls, mask: np.ndarray) -> Sighting:
        """From a mask (H, W) bool with at least one pixel; the size is the square root of its area."""
        y, x = np.nonzero(mask)
        return cls(np.array([x.mean(), y.mean()]), len(y) ** 0.5)

    def is_near(self, other: Sighting) -> bool:
        """Whether the two are closer together than the larger one's size."""
        return float(np.linalg.norm(self.centre - other.centre)) < max(self.size, other.size)


@dataclass(frozen=True, eq=False)
class ResponseMap:
    """The response (h, w) of a frame's cells, -inf in excluded cells, and the lowest response that counts."""

    values: np.ndarray
    floor: float

    @cached_property
    def peaks(self) -> list[np.ndarray]:
        """Cells (x, y) int of the local maxima, highest first.

        They are those of the response smoothed over 3x3 cells, so that many responding cells rank above one. A small
        object fills a single cell, so one cell above the floor is enough.
        """
        neighbours = np.ones((3, 3), np.uint8)
        barred = np.isinf(self.values)
        smooth = cv2.GaussianBlur(np.where(barred, 0, self.values).astype(np.float32), (3, 3), 0)
        smooth[barred] = -1
        highest = cv2.dilate(np.where(barred, -1, self.values).astype(np.float32), neighbours)
        is_peak = (smooth >= cv2.dilate(smooth, neighbours)) & (highest >= max(self.floor, _MIN_RESPONSE)) & ~barred
        y, x = np.nonzero(is_peak)
        order = np.argsort(-smooth[y, x], kind="stable")
        return list(np.stack([x, y], 1)[order])

    def at(self, cell: np.ndarray) -> float:
        """The response of a cell (x, y)."""
        return float(self.values[cell[1], cell[0]])


@dataclass(frozen=True, eq=False)
class Reacquisition:
    """The knowledge of one object that is needed to find it again.

    It is immutable: queries change nothing, and events return an updated copy.

    appearance     model of the object's appearance
    learn_at       index of the frame from which the appearance is to be learned again
    is_doubted     whether there was a cut since its mask was last checked
    frames_missed  number of frames in a row without an accepted mask
    distractors    things that look like the object but are not
    sighting       the latest mask that matched the object during the search
    target         the one-shot method's representation of a reference picture, or None
    """

    config: ReacquireConfig
    appearance: AppearanceModel
    learn_at: int = 0
    is_doubted: bool = False
    frames_missed: int = 0
    distractors: tuple[Distractor, ...] = ()
    sighting: Sighting | None = None
    target: Any = None

    @classmethod
    def start(cls, config: ReacquireConfig) -> Reacquisition:
        """The state of an object about which nothing is known yet."""
        return cls(config, AppearanceModel(config.exemplars))

    @classmethod
    def from_reference(
        cls, config: ReacquireConfig, index: int, feature_map: np.ndarray, mask: np.ndarray, target: Any = None
    ) -> Reacquisition:
        """An object known only from a picture, given the picture's feature map (h, w, C) and the mask (H, W) bool.

        index: of the picture, below those of all frames; target: the one-shot method's representation of it
        """
        cells = MaskedCells.of(feature_map, LocalMask.of(mask))
        appearance = AppearanceModel(config.exemplars).learned(index, cells, is_reference=True)
        return cls(config, appearance, target=target)

    # Queries

    def is_check_due(self, index: int) -> bool:
        """Whether a mask on frame `index` must be checked: before learning from it, or after a cut."""
        return self.is_doubted or index >= self.learn_at

    def is_sought(self, state: ObjectState) -> bool:
        """Whether an object in this state is searched for: if it is lost, or its masks were refused for a while."""
        if state.has_mask:
            return False
        return state == ObjectState.LOST or self.frames_missed >= self.config.patience

    def has_drifted(self, cells: MaskedCells) -> bool:
        """Whether a tracked object's mask lies on something else."""
        return self.appearance.is_known and self.appearance.resemblance(cells) < self.config.drift

    def response(self, feature_map: np.ndarray, occupied: np.ndarray) -> ResponseMap:
        """How much each cell looks like the object, whose appearance must be known; see ResponseMap.

        occupied: (H, W) bool, the masks of other objects, whose cells are excluded
        """
        occupied_cells = MaskedCells.of(feature_map, LocalMask.of(occupied))
        response = self.appearance.response(feature_map)
        return self._response_map(response, barred=occupied_cells.share > _OCCUPIED)

    @property
    def is_found_by_picture(self) -> bool:
        """Whether a one-shot method searches for it, because it has not been seen and learned in the stream yet."""
        return self.target is not None and self.appearance.is_from_reference

    def candidate(self, response: ResponseMap) -> np.ndarray | None:
        """The cell (x, y) where the object most likely is: the highest peak that is not a distractor, or None."""
        barred = self.barred(response)
        return next((cell for cell in response.peaks if not barred[cell[1], cell[0]]), None)

    def barred(self, response: ResponseMap) -> np.ndarray:
        """(h, w) bool: the cells that are excluded because another object or a distractor is there."""
        barred: np.ndarray = np.isinf(response.values)
        for x, y in (distractor.cell for distractor in self.distractors):
            barred[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
        return barred

    def matches(self, index: int, cell: np.ndarray, cells: MaskedCells) -> bool:
        """Whether a mask found from a cell (x, y) of frame `index` has the object's size and appearance.

        It must also cover that cell, and cover no distractor.
        """
        share, (smallest, largest) = cells.share, self.appearance.area_range
        if largest and not smallest / self.config.size_change <= cells.area <= largest * self.config.size_change:
            return False
        # A cell that was only temporarily rejected may be a part of the object.
        lasting = [distractor.cell for distractor in self.distractors if distractor.until - index > _REJECTION_PAUSE]
        if share[cell[1], cell[0]] == 0 or any(share[y, x] > _OCCUPIED for x, y in lasting):
            return False
        from_reference = self.appearance.is_from_reference
        least = self.config.reference_resemblance if from_reference else self.config.resemblance
        return self.appearance.resemblance(cells) >= least

    def confirms(self, sighting: Sighting) -> bool:
        """Whether a matching mask is confirmed, because the previous match was near it."""
        return self.sighting is not None and sighting.is_near(self.sighting)

    # Events

    def learned(self, index: int, cells: MaskedCells) -> Reacquisition:
        """After learning one more frame, given the cells that the object's checked mask covers."""
        appearance = self.appearance.learned(index, cells)
        gap = min(self.config.gap, _FIRST_GAP * max(1, len(appearance.exemplars)))
        known = replace(self, appearance=appearance, is_doubted=False, learn_at=index + gap)
        if not appearance.is_known:
            return known
        # Whatever else looks like the object while its own mask is known is a distractor.
        own = cv2.dilate((cells.share > 0).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        response = appearance.response(cells.feature_map)
        peaks = known._response_map(response, barred=own).peaks
        until = index + _DISTRACTOR_MEMORY
        return replace(known, distractors=tuple(Distractor(xy, until, float(response[xy[1], xy[0]])) for xy in peaks))

    def taught(self, later: Reacquisition) -> Reacquisition:
        """Merge what was learned in the background from an earlier frame: `later` is the state after that frame."""
        known = replace(self, appearance=later.appearance, learn_at=later.learn_at)
        # After a cut, or once the object was lost, the distractors have moved.
        is_same_scene = not self.is_doubted and self.frames_missed == 0
        return replace(known, distractors=later.distractors) if is_same_scene else known

    def checked(self) -> Reacquisition:
        """After a check confirmed that the mask lies on the object."""
        return replace(self, is_doubted=False)

    def after_cut(self) -> Reacquisition:
        """After a cut: the mask is in doubt, and distractors and sightings are no longer where they were."""
        return replace(self, is_doubted=True, distractors=(), sighting=None)

    def after_frame(self, state: ObjectState) -> Reacquisition:
        """After a frame that left the object in this state."""
        return replace(self, frames_missed=0 if state.has_mask else self.frames_missed + 1)

    def following(self, response: ResponseMap, index: int) -> Reacquisition:
        """With the distractors moved to their positions on frame `index`, without those not seen for long."""
        known = (distractor for distractor in self.distractors if distractor.until >= index)
        return replace(self, distractors=tuple(_followed(distractor, response, index) for distractor in known))

    def rejecting(self, cell: np.ndarray, index: int) -> Reacquisition:
        """After the mask found from a cell of frame `index` did not match: other cells are tried for a while."""
        rejected = Distractor(cell, index + _REJECTION_PAUSE, np.inf)
        return replace(self, distractors=(*self.distractors, rejected), sighting=None)

    def sighted(self, sighting: Sighting) -> Reacquisition:
        """After a mask matched."""
        return replace(self, sighting=sighting)

    def _response_map(self, response: np.ndarray, barred: np.ndarray) -> ResponseMap:
        floor = self.config.resemblance * self.appearance.typical_response
        return ResponseMap(np.where(barred, -np.inf, response), floor)


def _followed(distractor: Distractor, response: ResponseMap, index: int) -> Distractor:
    """A distractor at the nearest peak of frame `index`, or where it was if none is near."""
    near = [cell for cell in response.peaks if _distance(cell, distractor) <= _MAX_STEP]
    # A peak that responds much more than the distractor did is something else: the object may be back.
    near = [cell for cell in near if response.at(cell) <= _MAX_RESPONSE_GROWTH * distractor.response]
    if not near:
        return distractor
    # A rejected candidate is only a temporary distractor, whose time is not prolonged.
    is_rejected = distractor.until - index <= _REJECTION_PAUSE
    until = distractor.until if is_rejected else max(distractor.until, index + _DISTRACTOR_MEMORY)
    return replace(distractor, cell=min(near, key=lambda cell: _distance(cell, distractor)), until=until)


def _distance(cell: np.ndarray, distractor: Distractor) -> float:
    """The distance between a cell and a distractor in cells, along x or y, whichever is larger."""
    return float(np.abs(cell - distractor.cell).max())
