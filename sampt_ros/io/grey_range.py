"""Scales 16-bit images to 8 bits by the range of values that a camera really uses."""

from __future__ import annotations

import numpy as np

_HIGHEST = 65535
_PERCENTILES = (0.1, 99.9)  # An image's values lie between these percentiles; dead pixels lie beyond.
_SAMPLES = 50_000  # The percentiles are those of about so many pixels.
_MARGIN = 0.1  # The range leaves this share of an image's values free on both sides.
_MIN_SPAN = 64  # An image whose values span fewer counts shows nothing but noise.
_WHOLE = 0.5  # An image that uses this share of 16 bits uses all of them.
_GROWTH = 0.02  # The range grows by this share of itself per image, at most.
_SHRINKAGE = 0.01  # The range shrinks by this share of its unused part per image ...
_SHRINKS_BELOW = 0.25  # ... if the image uses less than this share of it.
_NEW_SCENE = 4.0  # An image that uses so many times the range is of another scene, and sets the range anew.


class GreyRange:
    """The range of values of one camera's 16-bit images: 10, 12 or 14 bits, or some hundred counts of a thermal camera.

        grey = GreyRange()
        for image in stream:
            eight_bits = grey.to_8_bits(image)

    The first image sets the range, with a margin. After that it hardly moves, so that what does not change in the scene
    keeps its grey, and trackers can follow it. Where an image's values go beyond the range, it grows by 2 % per image
    at most; where an image uses less than a quarter of it, it shrinks by a hundredth of the unused part. A flat image,
    such as of a thermal camera's shutter, changes nothing. An image that has nothing in common with the range, or uses
    four times as much, sets it anew. Where images use half of 16 bits, 0 is black and 65535 is white.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the range: the next image sets it."""
        self._low = self._high = 0.0
        self._table: np.ndarray | None = None  # (65536,) uint8

    def to_8_bits(self, pixels: np.ndarray, from_zero: bool = False) -> np.ndarray:
        """Pixels of any shape, uint16, as uint8.

        from_zero: 0 stays black, which colours need to keep their hue
        """
        used = self._used(pixels)
        if self._table is None or self._moves(*used):
            black = 0.0 if from_zero else self._low
            values = (np.arange(_HIGHEST + 1) - black) * (255 / (self._high - black))
            self._table = np.clip(np.rint(values), 0, 255).astype(np.uint8)
        scaled: np.ndarray = self._table[pixels]
        return scaled

    def _used(self, pixels: np.ndarray) -> tuple[float, float]:
        """The lowest and the highest value of an image; the first image's values set the range."""
        flat = pixels.reshape(-1)
        low, high = (float(value) for value in np.percentile(flat[:: 1 + len(flat) // _SAMPLES], _PERCENTILES))
        if self._table is None:
            self._set(low, high)
        return low, high

    def _moves(self, low: float, high: float) -> bool:
        """Let the range follow an image's values, and return whether it has changed."""
        span = self._high - self._low
        if high < self._low or low > self._high or high - low > _NEW_SCENE * span:
            self._set(low, high)
            return True
        if high - low < _MIN_SPAN:
            return False
        before = self._low, self._high
        self._low -= min(max(0.0, self._low - low), _GROWTH * span)
        self._high += min(max(0.0, high - self._high), _GROWTH * span)
        if high - low < _SHRINKS_BELOW * span:
            self._low += _SHRINKAGE * max(0.0, low - self._low)
            self._high -= _SHRINKAGE * max(0.0, self._high - high)
        return (self._low, self._high) != before

    def _set(self, low: float, high: float) -> None:
        if high - low >= _WHOLE * _HIGHEST:
            self._low, self._high = 0.0, float(_HIGHEST)
            return
        free = max(_MARGIN * (high - low), (_MIN_SPAN - (high - low)) / 2)
        self._low, self._high = max(0.0, low - free), min(float(_HIGHEST), high + free)
