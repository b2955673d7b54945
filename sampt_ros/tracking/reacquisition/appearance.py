"""What an object looks like, learned against everything around it.

A feature map (h, w, C) float32 describes an image: one unit vector for each cell of a grid (see Segmenter.describe).
A mask is compared with the object by two measures that must both be high:

response    A ridge regression (Hoerl and Kennard, 1970) from a cell's features to the object's share of the cell. It
            learns what distinguishes the object from its surroundings, but it also responds to other things that
            differ from these surroundings.
similarity  The cosine to the object's mean features, as in PerSAM (Zhang et al., arXiv 2305.03048).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sampt_ros.data_types import LocalMask
from sampt_ros.geometry.crops import cell_shares
from sampt_ros.utils.blas_threads import on_one_thread

MIN_COVERAGE = 0.05  # An object that covers no cell by at least this share is too small to be learned.

_RIDGE = 1e-3  # Regularisation of the regression, for features of length 1.
_MIN_CONTRAST = 1e-3  # If object and background differ by less than this in similarity, similarity is not used.
_MAX_BACKGROUND = 1024  # Largest number of background cells that are kept of one frame.
_SCORES_KEPT = 8  # New masks are compared with the scores of this many of the object's latest masks.


@dataclass(frozen=True, eq=False)
class MaskedCells:
    """A feature map, and how much of each of its cells a mask covers.

    feature_map  (h, w, C) float32
    share        (h, w) float32 0..1: the mask's share of each cell
    area         pixels of the mask
    """

    feature_map: np.ndarray
    share: np.ndarray
    area: int

    @classmethod
    @on_one_thread
    def of(cls, feature_map: np.ndarray, mask: LocalMask) -> MaskedCells:
        """The feature map (h, w, C) float32 of an image, and a mask in the image."""
        (height, width), (rows, columns) = mask.image_size, feature_map.shape[:2]
        return cls(feature_map, cell_shares(mask, (0, 0, width, height), (rows, columns)), mask.area)

    @property
    def mean_feature(self) -> np.ndarray:
        """(C,) unit vector: the mean features under the mask."""
        share, features = self.share.ravel(), self.feature_map.reshape(-1, self.feature_map.shape[2])
        rows = np.flatnonzero(share)
        mean: np.ndarray = share[rows] @ features[rows]
        return mean / max(float(np.linalg.norm(mean)), 1e-6)


@dataclass(frozen=True, eq=False)
class _RegressionSums:
    """One frame's contribution to the normal equations of the regression, so that each frame is summed up only once.

    The sums run over the frame's cells with weights w, features f (C + 1,), the bias last, and object shares y.

    weight   sum of w
    gram     (C + 1, C + 1) sum of w f f^T
    moments  (C + 1,) sum of w f y
    """

    weight: float
    gram: np.ndarray
    moments: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray, share: np.ndarray, weight: np.ndarray) -> _RegressionSums:
        """The sums over n cells: features (n, C), object share (n,) and weights (n,)."""
        rows = np.flatnonzero(weight)
        biased = np.concatenate([features[rows], np.ones((len(rows), 1), np.float32)], 1)
        weighted = biased * weight[rows, None]
        return cls(float(weight.sum()), weighted.T @ biased, weighted.T @ share[rows])


@dataclass(frozen=True, eq=False)
class _Exemplar:
    """What is kept of one frame in which the object was certainly seen.

    index            index of the frame
    mean_feature     (C,) unit vector: the object's mean features
    background       (n, C) float32: features of evenly chosen cells without any of the object
    object_sums      regression sums weighted by the object's share of each cell
    background_sums  the same, weighted by the share of everything else
    area             pixels of the mask; 0 for a reference picture, where the size says nothing
    """

    index: int
    mean_feature: np.ndarray
    background: np.ndarray
    object_sums: _RegressionSums
    background_sums: _RegressionSums
    area: int

    @classmethod
    def of(cls, index: int, cells: MaskedCells, area: int) -> _Exemplar:
        """From the cells that the object covers."""
        features, shares = cells.feature_map.reshape(-1, cells.feature_map.shape[2]), cells.share.ravel()
        outside = np.flatnonzero(shares == 0)
        background = features[outside[:: len(outside) // _MAX_BACKGROUND + 1]]
        object_sums = _RegressionSums.of(features, shares, shares)
        background_sums = _RegressionSums.of(features, shares, 1 - shares)
        return cls(index, cells.mean_feature, background, object_sums, background_sums, area)


@dataclass(frozen=True, eq=False)
class _Fit:
    """The model that was fitted to all exemplars.

    weights                (C + 1,) of the regression, the bias last
    mean_features          (k, C) unit vectors, one for each exemplar
    background_similarity  mean similarity of the background to the object
    """

    weights: np.ndarray
    mean_features: np.ndarray
    background_similarity: float


@dataclass(frozen=True, eq=False)
class AppearanceModel:
    """How one object looked in at most `capacity` frames, spread over the time since its start.

    It is immutable: queries change nothing, and `learned` returns an updated copy.

    own_scores  (response, similarity) of the object's own latest masks
    """

    capacity: int
    exemplars: tuple[_Exemplar, ...] = ()
    own_scores: tuple[tuple[float, float], ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether anything was learned. Nothing was if the object has been too small for the cells so far."""
        return bool(self.exemplars)

    @property
    def area_range(self) -> tuple[int, int]:
        """Pixels of the object's smallest and largest mask in the stream; zeros before it was seen there."""
        areas = [exemplar.area for exemplar in self.exemplars if exemplar.area] or [0]
        return min(areas), max(areas)

    @property
    def is_from_reference(self) -> bool:
        """Whether the object is known from a reference picture alone, and was never seen in the stream."""
        return self.area_range == (0, 0)

    @property
    def typical_response(self) -> float:
        """Median response under the object's own masks; 0 before it is known."""
        return self._typical_scores()[0]

    @on_one_thread
    def learned(self, index: int, cells: MaskedCells, is_reference: bool = False) -> AppearanceModel:
        """Learn one more frame, given the cells that the object covers in it.

        Nothing is learned if the object covers no cell by at least MIN_COVERAGE. A frame learned before is replaced.

        is_reference: the frame is a picture of another time or camera, so the object's size in it says nothing
        """
        if cells.share.max() < MIN_COVERAGE:
            return self
        # A mask is scored by what was known before it. Only the very first one is scored by itself.
        scores = self._scores(cells) if self.is_known else None
        area = 0 if is_reference else cells.area
        others = tuple(exemplar for exemplar in self.exemplars if exemplar.index != index)
        exemplars = (*others, _Exemplar.of(index, cells, area))
        if len(exemplars) > self.capacity:
            crowded = _most_crowded([exemplar.index for exemplar in exemplars])
            exemplars = exemplars[:crowded] + exemplars[crowded + 1 :]
        model = replace(self, exemplars=exemplars)
        scores = scores or model._scores(cells)
        return replace(model, own_scores=(*self.own_scores, scores)[-_SCORES_KEPT:])

    @on_one_thread
    def response(self, feature_map: np.ndarray) -> np.ndarray:
        """(h, w) float32: near 1 in the cells of a feature map (h, w, C) that look like the object, near 0 elsewhere.

        To be called only if `is_known`.
        """
        weights = self._fit.weights
        response: np.ndarray = feature_map @ weights[:-1] + weights[-1]
        return response.astype(np.float32)

    @on_one_thread
    def resemblance(self, cells: MaskedCells) -> float:
        """How much the content of a mask looks like the object: about 1 for its own masks, 0 for others.

        To be called only if `is_known`.
        """
        if not cells.share.any():
            return 0.0
        (response, similarity), (own_response, own_similarity) = self._scores(cells), self._typical_scores()
        background = self._fit.background_similarity
        response /= max(own_response, 1e-6)
        if own_similarity - background < _MIN_CONTRAST:
            return response
        return min(response, (similarity - background) / (own_similarity - background))

    def _typical_scores(self) -> tuple[float, float]:
        """Median response and similarity of the object's own masks."""
        if not self.own_scores:
            return 0.0, 0.0
        response, similarity = np.median(self.own_scores, axis=0).tolist()
        return response, similarity

    def _scores(self, cells: MaskedCells) -> tuple[float, float]:
        """Mean response and similarity under a mask."""
        response = float((self.response(cells.feature_map) * cells.share).sum() / cells.share.sum())
        return response, float((self._fit.mean_features @ cells.mean_feature).max())

    @cached_property
    def _fit(self) -> _Fit:
        mean_features = np.stack([exemplar.mean_feature for exemplar in self.exemplars])
        background = np.concatenate([exemplar.background for exemplar in self.exemplars])
        similarity = float((background @ mean_features.T).max(1).mean()) if len(background) else 0.0
        return _Fit(_regression(self.exemplars), mean_features, similarity)


def _most_crowded(times: list[int]) -> int:
    """The position whose neighbours before and after are closest together in time; never the first or the last."""
    return min(range(1, len(times) - 1), key=lambda row: times[row + 1] - times[row - 1], default=0)


def _regression(exemplars: tuple[_Exemplar, ...]) -> np.ndarray:
    """(C + 1,) weights, the bias last, from features to the object's share.

    Object and background have the same total weight, however large each of them is.
    """
    first = exemplars[0].object_sums
    gram, moments = np.zeros_like(first.gram), np.zeros_like(first.moments)
    for sums in ([each.object_sums for each in exemplars], [each.background_sums for each in exemplars]):
        half = 0.5 / max(sum(frame.weight for frame in sums), MIN_COVERAGE)
        for frame in sums:
            gram += half * frame.gram
            moments += half * frame.moments
    return np.linalg.solve(gram + _RIDGE * np.eye(len(gram), dtype=np.float32), moments)
