"""What an object looks like, learned against everything around it.

Two measures that must both hold. The response is a ridge regression (Hoerl and Kennard, 1970) from the features of the
image's places to the object's share of each, on a few frames in which the object was surely seen: it finds what tells
this object from these surroundings, but answers to what is merely unlike them. The likeness is the cosine to the
object's mean features in those frames, as in PerSAM (Zhang et al., arXiv 2305.03048).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from sampt_ros.utils.blas_threads import on_one_thread

SMALLEST = 0.05  # share of a place; an object that fills no place more is too small to be learned

_RIDGE = 1e-3  # for features of length 1
_TOLD_APART = 1e-3  # by which an object is more like itself than its surroundings are; else likeness says nothing
_BACKGROUND = 1024  # places of a frame's background that are kept at most
_JUDGED = 8  # masks whose measures are the measure for the next ones


@dataclass(frozen=True, eq=False)
class _Sums:
    """What the regression needs of one frame, so that each is added up only once.

    Sums over its places with weights w, features f of length C + 1, the bias last, and the object's share y.

    weight    of w
    squares   (C + 1, C + 1) of w f f^T
    products  (C + 1,) of w f y
    """

    weight: float
    squares: np.ndarray
    products: np.ndarray

    @classmethod
    def of(cls, places: np.ndarray, share: np.ndarray, weight: np.ndarray) -> _Sums:
        """Of features (n, C), share (n,) and weights (n,)."""
        rows = np.flatnonzero(weight)
        features = np.concatenate([places[rows], np.ones((len(rows), 1), np.float32)], 1)
        weighted = features * weight[rows, None]
        return cls(float(weight.sum()), weighted.T @ features, weighted.T @ share[rows])


@dataclass(frozen=True, eq=False)
class _Exemplar:
    """What is kept of a frame.

    mean        (C,) of the object's features, of length 1
    background  (n, C) float32: features of places without any of it, evenly chosen
    on, off     sums weighted by the object's share, and by that of everything else
    area        the mask's pixels; 0 for a picture of another camera, where it says nothing
    """

    index: int
    mean: np.ndarray
    background: np.ndarray
    on: _Sums
    off: _Sums
    area: int

    @classmethod
    def of(cls, index: int, places: np.ndarray, share: np.ndarray, area: int) -> _Exemplar:
        """Of places (h, w, C) float32 and the object's share (h, w) of each."""
        features, row = places.reshape(-1, places.shape[2]), share.ravel()
        beside = np.flatnonzero(row == 0)
        background = features[beside[:: len(beside) // _BACKGROUND + 1]]
        on, off = _Sums.of(features, row, row), _Sums.of(features, row, 1 - row)
        return cls(index, _mean(features, row), background, on, off, area)


@dataclass(frozen=True, eq=False)
class _Model:
    """What was learned from all exemplars.

    weights  (C + 1,) of the regression, the bias last
    means    (k, C) the object's mean features in each, of length 1
    around   mean likeness of the background
    """

    weights: np.ndarray
    means: np.ndarray
    around: float


class Appearance:
    """How one object looked in at most `most` frames, spread over the time since its start."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._exemplars: list[_Exemplar] = []
        self._judged: deque[tuple[float, float]] = deque(maxlen=_JUDGED)  # response and likeness of its own masks
        self._model: _Model | None = None

    @property
    def learned(self) -> int:
        """Frames that are remembered."""
        return len(self._exemplars)

    @property
    def is_of_a_picture(self) -> bool:
        """Whether it was never seen in the stream itself."""
        return self.areas == (0, 0)

    @property
    def level(self) -> float:
        """The usual mean response under the object's own masks; 0 before it is known."""
        return self._usual()[0]

    @property
    def areas(self) -> tuple[int, int]:
        """Pixels of the smallest and the largest of its masks; zeros before any is known."""
        areas = [exemplar.area for exemplar in self._exemplars if exemplar.area] or [0]
        return min(areas), max(areas)

    @on_one_thread
    def learn(self, index: int, places: np.ndarray, mask: np.ndarray, is_reference: bool = False) -> None:
        """Remember frame `index`, its places (h, w, C) float32 and the object's mask (H, W) bool in it.

        is_reference: the picture is of another time or camera; the object's size in it says nothing
        """
        share = share_of(places, mask)
        if share.max() < SMALLEST:
            return
        judged = self._measures(places, share) if self._exemplars else None
        kept = [exemplar for exemplar in self._exemplars if exemplar.index != index]
        area = 0 if is_reference else int(np.count_nonzero(mask))
        self._exemplars = [*kept, _Exemplar.of(index, places, share, area)]
        if len(self._exemplars) > self._most:
            del self._exemplars[self._most_crowded()]
        self._model = None
        self._judged.append(judged or self._measures(places, share))  # the first one only after it was learned

    @on_one_thread
    def response(self, places: np.ndarray) -> np.ndarray:
        """(h, w) float32: near 1 where places (h, w, C) look like the object, near 0 elsewhere."""
        weights = self._fitted().weights
        return (places @ weights[:-1] + weights[-1]).astype(np.float32)

    @on_one_thread
    def resemblance(self, places: np.ndarray, mask: np.ndarray) -> float:
        """How much what a mask (H, W) bool covers looks like the object: about 1 for its own masks, 0 for others."""
        share = share_of(places, mask)
        if not share.any():
            return 0.0
        (response, likeness), (own_response, own_likeness) = self._measures(places, share), self._usual()
        around = self._fitted().around
        response /= max(own_response, 1e-6)
        if own_likeness - around < _TOLD_APART:
            return response
        return min(response, (likeness - around) / (own_likeness - around))

    def _usual(self) -> tuple[float, float]:
        """Response and likeness of the object's own masks."""
        if not self._judged:
            return 0.0, 0.0
        response, likeness = np.median(self._judged, axis=0).tolist()
        return response, likeness

    def _measures(self, places: np.ndarray, share: np.ndarray) -> tuple[float, float]:
        """Mean response under a mask's share (h, w) of the places, and the likeness of their mean features."""
        response = float((self.response(places) * share).sum() / share.sum())
        mean = _mean(places.reshape(-1, places.shape[2]), share.ravel())
        return response, float((self._fitted().means @ mean).max())

    def _most_crowded(self) -> int:
        """The exemplar, but the first and the last, whose neighbours are nearest in time."""
        times = [exemplar.index for exemplar in self._exemplars]
        return min(range(1, len(times) - 1), key=lambda row: times[row + 1] - times[row - 1], default=0)

    def _fitted(self) -> _Model:
        if self._model is None:
            means = np.stack([one.mean for one in self._exemplars])
            background = np.concatenate([one.background for one in self._exemplars])
            around = float((background @ means.T).max(1).mean()) if len(background) else 0.0
            self._model = _Model(_regression(self._exemplars), means, around)
        return self._model


def share_of(places: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(h, w) float32 0..1: how much of each place a mask (H, W) bool covers."""
    height, width = places.shape[:2]
    return cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)


def _regression(exemplars: list[_Exemplar]) -> np.ndarray:
    """(C + 1,) weights, the bias last, from features to the object's share.

    Object and background count alike, however large they are.
    """
    normal, products = np.zeros_like(exemplars[0].on.squares), np.zeros_like(exemplars[0].on.products)
    for sums in ([one.on for one in exemplars], [one.off for one in exemplars]):
        half = 0.5 / max(sum(each.weight for each in sums), SMALLEST)
        for each in sums:
            normal += half * each.squares
            products += half * each.products
    return np.linalg.solve(normal + _RIDGE * np.eye(len(normal), dtype=np.float32), products)


def _mean(features: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(C,) of length 1: the mean of features (n, C), weighted by the object's share (n,)."""
    rows = np.flatnonzero(share)
    mean = share[rows] @ features[rows]
    return mean / max(float(np.linalg.norm(mean)), 1e-6)
