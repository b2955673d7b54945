"""Scales 16-bit images to 8 bits by the range of values that a camera actually uses."""

from __future__ import annotations

import numpy as np

_HIGHEST = 65535
_PERCENTILES = (0.1, 99.9)  # An image's values lie between these percentiles; dead pixels lie beyond.
_SAMPLES = 50_000  # Number of pixels, about, from which the percentiles are computed.
_MARGIN = 0.1  # Margin of the range on both sides, as a fraction of the span of an image's values.
_MIN_SPAN = 64  # An image whose values span fewer counts shows only noise.
_WHOLE = 0.5  # An image that uses this fraction of 16 bits gets the whole range.
_GROWTH = 0.02  # The range grows by at most this fraction of itself per image.
_SHRINKAGE = 0.01  # The range shrinks by this fraction of its unused part per image ...
_SHRINKS_BELOW = 0.25  # ... if the image uses less than this fraction of it.
_NEW_SCENE = 4.0  # An image that spans this many times the range shows another scene, and resets the range.


class GreyRange:
    """The range of values of one camera's 16-bit images: 10, 12 or 14 bits, or some hundred counts of a thermal camera.

        grey = GreyRange()
        for image in stream:
            eight_bits = grey.to_8_bits(image)

    The first image sets the range, with a margin. After that it changes only slowly, so that constant parts of the
    scene keep their grey and can be tracked. If an image's values exceed the range, it grows by at most 2 % per image;
    if an image uses less than a quarter of it, it shrinks by a hundredth of the unused part. A flat image, such as one
    of a thermal camera's shutter, changes nothing. An image outside the range, or that spans four times as much, resets
    it. For images that use half of 16 bits or more, 0 is black and 65535 is white.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget the range, so that the next image sets it."""
        self._low = self._high = 0.0
        self._table: np.ndarray | None = None  # (65536,) uint8

    def to_8_bits(self, pixels: np.ndarray, from_zero: bool = False) -> np.ndarray:
        """Scale pixels of any shape from uint16 to uint8.

        from_zero: map 0 to black, as needed for colours to keep their hue
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
        """Adapt the range to an image's values; returns whether it has changed."""
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
