"""Sixteen-bit images to eight bits by the values that a camera really uses."""

from __future__ import annotations

import numpy as np

_HIGHEST = 65535
_QUANTILES = (0.1, 99.9)  # percent of the pixels; dead ones are beyond
_SAMPLES = 50_000  # pixels that are looked at, about
_MARGIN = 0.1  # of what is used, left free on both sides
_LEAST = 64  # counts; less is noise
_WHOLE = 0.5  # of 16 bits: what uses so much uses all of them
_GROWTH = 0.02  # of the range, per image at most
_SHRINKAGE = 0.01  # of what is unused, per image
_LITTLE = 0.25  # of the range: only what uses less makes it shrink
_FAR_MORE = 4.0  # times the range: an image that uses so much shows that the range is that of another scene


class GreyRange:
    """The range of values of one camera's 16-bit images: 10, 12 or 14 bits, or some hundred counts of a thermal camera.

        grey = GreyRange()
        for image in stream:
            eight_bits = grey.to_8_bits(image)

    The range is that of the first image, with a margin. After that it hardly moves, so that what does not change in the
    scene keeps its grey, and trackers follow it. Where an image's values go beyond it, it grows by 2 % per image at
    most; where an image uses less than a quarter of it, it closes in by a hundredth. An image that is flat (the
    shutter of a thermal camera) changes nothing. Where an image has nothing in common with the range, or uses four
    times as much, the range is set anew.
    Images that use half of 16 bits use all of them: then white is 65535, and 0 is black.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the range: the next image sets it."""
        self._low = self._high = 0.0
        self._table: np.ndarray | None = None  # (65536,) uint8

    def to_8_bits(self, pixels: np.ndarray, from_zero: bool = False) -> np.ndarray:
        """Pixels of any shape, uint16, as uint8; `from_zero`: 0 stays black, as colours need it."""
        used = self._used(pixels)
        if self._table is None or self._moves(*used):
            black = 0.0 if from_zero else self._low
            values = (np.arange(_HIGHEST + 1) - black) * (255 / (self._high - black))
            self._table = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        return self._table[pixels]

    def _used(self, pixels: np.ndarray) -> tuple[float, float]:
        """The lowest and the highest value of an image; sets the first range."""
        flat = pixels.reshape(-1)
        low, high = (float(value) for value in np.percentile(flat[:: 1 + len(flat) // _SAMPLES], _QUANTILES))
        if self._table is None:
            self._set(low, high)
        return low, high

    def _moves(self, low: float, high: float) -> bool:
        """Follow an image's values; returns whether the range has changed."""
        span = self._high - self._low
        if high < self._low or low > self._high or high - low > _FAR_MORE * span:
            self._set(low, high)
            return True
        if high - low < _LEAST:
            return False
        before = self._low, self._high
        self._low -= min(max(0.0, self._low - low), _GROWTH * span)
        self._high += min(max(0.0, high - self._high), _GROWTH * span)
        if high - low < _LITTLE * span:
            self._low += _SHRINKAGE * max(0.0, low - self._low)
            self._high -= _SHRINKAGE * max(0.0, self._high - high)
        return (self._low, self._high) != before

    def _set(self, low: float, high: float) -> None:
        if high - low >= _WHOLE * _HIGHEST:
            self._low, self._high = 0.0, float(_HIGHEST)
            return
        free = max(_MARGIN * (high - low), (_LEAST - (high - low)) / 2)
        self._low, self._high = max(0.0, low - free), min(float(_HIGHEST), high + free)
