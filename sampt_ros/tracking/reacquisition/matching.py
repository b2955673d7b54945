"""Lost objects are looked for in the whole image, by what they looked like while they were surely seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from sampt_ros.config.core import ReacquireConfig
from sampt_ros.tracking.reacquisition.appearance import Appearance, share_of

_FIRST_GAP = 4  # frames between the first two that are learned from; the gaps grow by as much
_LEAST = 0.02  # response of a place that something may be at
_FOLLOWED = 2.0  # places that something may move from one frame to the next
_CHANGED = 1.5  # times the response
_KEPT = 30  # frames that something similar is known for after it was last seen
_PAUSE = 4  # frames that a refused place is not tried again
_TAKEN = 0.5  # share of a place covered by another object, which then is not this one's


@dataclass(frozen=True, eq=False)
class _Elsewhere:
    """A place (x, y) that looks like the object and is not it, until a frame; its response when it was first seen."""

    xy: np.ndarray
    until: int
    response: float


@dataclass(frozen=True, eq=False)
class _Sighting:
    """Where a mask was accepted on the last frame: centre (x, y) and size in pixels."""

    index: int
    centre: np.ndarray
    size: float


@dataclass(eq=False)
class Looks:
    """What is known of one object's looks, and of the search for it.

    due      the frame in which it is to be learned from next
    doubted  there was a cut, and its mask was not judged since
    missed   frames in a row without a mask
    """

    appearance: Appearance
    due: int = 0
    doubted: bool = False
    missed: int = 0
    elsewhere: list[_Elsewhere] = field(default_factory=list)
    sighting: _Sighting | None = None


class Reacquisition:
    """Decides whether a mask is the object it should be, and where a lost one may be."""

    def __init__(self, config: ReacquireConfig) -> None:
        self._config = config

    def learn(self, looks: Looks | None, index: int, places: np.ndarray, mask: np.ndarray) -> Looks:
        """The object's looks with one more frame: its places (h, w, C), the object's mask (H, W) bool."""
        looks = looks or Looks(Appearance(self._config.exemplars))
        looks.appearance.learn(index, places, mask)
        looks.doubted = False
        looks.due = index + min(self._config.gap, _FIRST_GAP * max(1, looks.appearance.learned))
        if not looks.appearance.learned:  # too small until now
            return looks
        response = looks.appearance.response(places)
        near = cv2.dilate((share_of(places, mask) > 0).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        similar = _peaks(np.where(near, -np.inf, response), self._floor(looks))
        looks.elsewhere = [_Elsewhere(xy, index + _KEPT, float(response[xy[1], xy[0]])) for xy in similar]
        return looks

    def from_reference(self, index: int, places: np.ndarray, mask: np.ndarray) -> Looks:
        """The looks of an object seen in a picture alone: its places (h, w, C), the object's mask (H, W) bool.

        index: of the picture, before all frames
        """
        looks = Looks(Appearance(self._config.exemplars))
        looks.appearance.learn(index, places, mask, is_reference=True)
        return looks

    def cut(self, looks: Looks) -> None:
        """After a cut a mask is doubted, and what was known of other places is worth nothing."""
        looks.doubted, looks.elsewhere, looks.sighting = True, [], None

    def has_drifted(self, looks: Looks, places: np.ndarray, mask: np.ndarray) -> bool:
        """Whether a tracked object's mask (H, W) bool is on something else by now."""
        return looks.appearance.learned > 0 and looks.appearance.resemblance(places, mask) < self._config.drift

    def place(self, looks: Looks, index: int, places: np.ndarray, taken: np.ndarray) -> np.ndarray | None:
        """The place (x, y), a cell of `places`, where the object most likely is, or None.

        taken: (H, W) bool, the other objects' masks
        """
        if not looks.appearance.learned:
            return None
        response = looks.appearance.response(places)
        response = np.where(share_of(places, taken) > _TAKEN, -np.inf, response)
        peaks = _peaks(response, self._floor(looks))
        looks.elsewhere = _followed(looks.elsewhere, peaks, response, index)
        for xy in peaks:
            if all(np.abs(xy - other.xy).max() > 1 for other in looks.elsewhere):
                return xy
        return None

    def confirms(self, looks: Looks, index: int, places: np.ndarray, place: np.ndarray, mask: np.ndarray) -> bool:
        """Whether a mask (H, W) bool found at a place is the object, as one near it was on the frame before."""
        if not self._may_be(looks, index, places, place, mask):
            looks.elsewhere.append(_Elsewhere(place, index + _PAUSE, np.inf))
            looks.sighting = None
            return False
        y, x = np.nonzero(mask)
        area = len(y)
        before, now = looks.sighting, _Sighting(index, np.array([x.mean(), y.mean()]), area**0.5)
        looks.sighting = now
        return before is not None and float(np.linalg.norm(now.centre - before.centre)) < max(now.size, before.size)

    def _may_be(self, looks: Looks, index: int, places: np.ndarray, place: np.ndarray, mask: np.ndarray) -> bool:
        """Whether a mask has the object's size and looks, and covers the place it was looked for at, but no double."""
        area = int(np.count_nonzero(mask))
        smallest, largest = looks.appearance.areas
        if largest and not smallest / self._config.size_change <= area <= largest * self._config.size_change:
            return False
        share = share_of(places, mask)
        doubles = [other.xy for other in looks.elsewhere if other.until - index > _PAUSE]
        if share[place[1], place[0]] == 0 or any(share[y, x] > _TAKEN for x, y in doubles):
            return False
        is_of_a_picture = looks.appearance.is_of_a_picture
        least = self._config.reference_resemblance if is_of_a_picture else self._config.resemblance
        return looks.appearance.resemblance(places, mask) >= least

    def _floor(self, looks: Looks) -> float:
        return self._config.resemblance * looks.appearance.level


def _peaks(response: np.ndarray, floor: float) -> list[np.ndarray]:
    """Places (x, y) of the local maxima of a response (h, w), highest first, -inf where none may be.

    They are those of the response smoothed over 3x3 places, so that many places answer more than one; but a small
    object fills one alone, and that one must be above `floor`.
    """
    around = np.ones((3, 3), np.uint8)
    barred = np.isinf(response)
    smooth = cv2.GaussianBlur(np.where(barred, 0, response).astype(np.float32), (3, 3), 0)
    smooth[barred] = -1
    answers = cv2.dilate(np.where(barred, -1, response).astype(np.float32), around) >= max(floor, _LEAST)
    y, x = np.nonzero((smooth >= cv2.dilate(smooth, around)) & answers & ~barred)
    order = np.argsort(-smooth[y, x], kind="stable")
    return list(np.stack([x, y], 1)[order])


def _followed(known: list[_Elsewhere], peaks: list[np.ndarray], response: np.ndarray, index: int) -> list[_Elsewhere]:
    """What is known to be something else, where it is now; forgotten when it was not seen for long."""
    followed = []
    for other in known:
        if other.until < index:
            continue
        # A place that answers much more than it did is something else: the object may be back.
        near = [xy for xy in peaks if np.abs(xy - other.xy).max() <= _FOLLOWED]
        near = [xy for xy in near if response[xy[1], xy[0]] <= _CHANGED * other.response]
        if near:
            nearest = min(near, key=lambda xy: float(np.abs(xy - other.xy).max()))
            # One that was refused for a while stays so only for that while.
            until = max(other.until, index + _KEPT) if other.until - index > _PAUSE else other.until
            other = replace(other, xy=nearest, until=until)
        followed.append(other)
    return followed
