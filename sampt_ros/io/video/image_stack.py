"""Frames from a file that contains several images."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from sampt_ros.errors import SourceError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.image_files import ANIMATED_AVIF, UNREADABLE, image_count, unsigned, wrong_numbers
from sampt_ros.io.video.frame_source import FALLBACK_FPS, NumberedSource

_log = logging.getLogger(__name__)

# Of files that may contain several images.
_SUFFIXES = (".apng", ".avif", ".avifs", ".gif", ".png", ".tif", ".tiff", ".webp")
_BRAND = slice(4, 12)  # The bytes that tell an AVIF file of several images.


class ImageStack(NumberedSource):
    """The images of one file: the pages of a TIFF, or an animated GIF, WebP, PNG or AVIF.

    The first image's pixels have 8 or 16 bits; later ones that have not are skipped, counted and reported in a warning.
    """

    def __init__(self, path: Path) -> None:
        """Raises SourceError if the first image's pixels are of other numbers."""
        self._path = path
        self._times: dict[int, float] = {}
        self._grey = GreyRange()
        self._reported = False  # Whether an image with other numbers has been reported.
        with Image.open(path) as images:
            self.length = image_count(images) or None
            images.seek(0)
            images.load()  # WebP knows its duration after that.
            if wrong := wrong_numbers(images):
                raise SourceError(f"cannot read {path}: {wrong}")
            self.size = images.size[::-1]
            self.fps = 1000 / (images.info.get("duration") or 1000 / FALLBACK_FPS)  # the duration is in milliseconds

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        self.skipped = 0
        with Image.open(self._path) as images:
            seconds = 0.0
            for number in itertools.count() if self.length is None else range(self.length):
                try:
                    images.seek(number)
                    images.load()
                except UNREADABLE as error:
                    self.skipped += (self.length or number + 1) - number
                    _log.warning(
                        "%s: %d of its %s images can be read (%s)", self._path, number, self.length or "several", error
                    )
                    return
                self._times[number] = seconds
                seconds += (images.info.get("duration") or 1000 / self.fps) / 1000
                if number < first:
                    continue
                if wrong := wrong_numbers(images):
                    self._skip(number, wrong)
                else:
                    yield number, self._rgb(images)

    def _skip(self, number: int, reason: str) -> None:
        self.skipped += 1
        if not self._reported:  # The others are counted.
            self._reported = True
            _log.warning("cannot read image %d of %s: %s; such images are skipped", number, self._path, reason)

    def _rgb(self, image: Image.Image) -> np.ndarray:
        """The current image (H, W, 3) uint8 RGB of an open file."""
        if image.mode.startswith("I"):
            has_sign = image.mode == "I" and image.format == "TIFF"
            values = unsigned(np.asarray(image)) if has_sign else np.asarray(image).astype(np.uint16)
            return np.repeat(self._grey.to_8_bits(values)[..., None], 3, axis=2)
        return np.asarray(image.convert("RGB"))


def is_stack(path: Path) -> bool:
    """Whether a file contains several images."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        with Image.open(path) as image:
            return image.load() is not None and image_count(image) != 1
    except UNREADABLE:
        with suppress(OSError), path.open("rb") as file:  # The reader tells what is wrong with the file.
            if file.read(_BRAND.stop)[_BRAND] == ANIMATED_AVIF:
                _log.warning(
                    "%s: of an animated AVIF the first image alone can be read here: pip install -U pillow", path
                )
        return False
