"""The colours of an object and of its surroundings, which GrabCut remembers from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_BINS = (16, 32, 32)  # Of L, a and b; a and b are stretched about grey, where most colours are.
_TOTAL = 10000.0  # Sum of each histogram, so that a large background does not outweigh a small object.
_PRIOR_COUNT = 0.1  # Added to every bin of both histograms, so that a colour never seen is no evidence.


@dataclass(frozen=True, eq=False)
class ColorMemory:
    """Histograms (2, bins) float32 of the object and of its surroundings.

    first   of the object's first frame; they are never forgotten, so that the memory cannot drift away
    recent  running mean over the frames since
    """

    first: np.ndarray
    recent: np.ndarray

    @classmethod
    def start(cls, lab: np.ndarray, mask: np.ndarray) -> ColorMemory:
        """From an image (h, w, 3) uint8 CIE Lab as OpenCV scales it, and the object's mask (h, w) bool in it."""
        counts = _histograms(_bins(lab), mask)
        return cls(counts, counts)

    def learned(self, lab: np.ndarray, mask: np.ndarray, rate: float) -> ColorMemory:
        """With one more frame, whose weight in the recent colours is `rate`, 0..1."""
        return ColorMemory(self.first, (1 - rate) * self.recent + rate * _histograms(_bins(lab), mask))

    def probability(self, lab: np.ndarray, first_weight: float) -> np.ndarray:
        """(h, w) float32: the probability that each pixel's colour is the object's and not its surroundings'.

        first_weight: weight of the first frame's colours against the recent ones, 0..1
        """
        inside, outside = first_weight * self.first + (1 - first_weight) * self.recent
        probability = (inside + _PRIOR_COUNT) / (inside + outside + 2 * _PRIOR_COUNT)
        of_pixels: np.ndarray = probability[_bins(lab)]
        return of_pixels

    def similarity(self, lab: np.ndarray, mask: np.ndarray) -> float:
        """0..1: how similar the colours in a mask are to the first frame's object (Bhattacharyya coefficient)."""
        return float(np.sqrt(self.first[0] * _histograms(_bins(lab), mask)[0]).sum() / _TOTAL)


def _bins(lab: np.ndarray) -> np.ndarray:
    """(h, w) int: the histogram bin of each pixel of an image (h, w, 3) uint8 CIE Lab."""
    light, a, b = np.moveaxis(lab.astype(np.int32), 2, 0)
    a, b = (np.clip(2 * channel - 128, 0, 255) * count >> 8 for channel, count in ((a, _BINS[1]), (b, _BINS[2])))
    bins: np.ndarray = ((light * _BINS[0] >> 8) * _BINS[1] + a) * _BINS[2] + b
    return bins


def _histograms(bins: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """(2, bins) float32: histograms of the pixels in and outside a mask, smoothed by [1 2 1] / 4 along L, a and b."""
    size = int(np.prod(_BINS))
    counts = np.stack([np.bincount(bins[mask], minlength=size), np.bincount(bins[~mask], minlength=size)])
    smooth: np.ndarray = counts.reshape(2, *_BINS).astype(np.float32)
    for axis in (1, 2, 3):
        edges = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        padded = np.moveaxis(np.pad(smooth, edges, mode="edge"), axis, 0)
        smooth = np.moveaxis((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4, 0, axis)
    smooth = smooth.reshape(2, size)
    scaled: np.ndarray = smooth * (_TOTAL / np.maximum(smooth.sum(axis=1, keepdims=True), 1e-6))
    return scaled
