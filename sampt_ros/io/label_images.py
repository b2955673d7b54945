"""Label images as PNG files: one number per pixel; 8-bit ones have a palette, as in DAVIS."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sampt_ros.errors import SourceError
from sampt_ros.io.palette import object_color

HIGHEST = 65535  # The largest label.

_PALETTE = [0, 0, 0, *(value for label in range(1, 256) for value in object_color(label))]
_log = logging.getLogger(__name__)

_LOSSY = ("JPEG", "MPO", "WEBP")
_LOSSLESS_WEBP = b"VP8L"  # The name of the chunk that holds such an image, near the file's beginning.
_STACKS = ("TIFF", "GIF")  # Formats in which several images in a file are several masks, most likely.
_OTHER_COLORS = ("CMYK", "YCbCr", "LAB", "HSV")
_TINT = 32  # Channels of a compressed image that differ no more than this were grey before compression.
_OPAQUE = 128  # Pixels with at least this alpha are opaque.
_WHITE = 255


@dataclass(frozen=True, eq=False)
class Pixels:
    """The content of an image file.

    values    (H, W) of any number type, or (H, W, 3) uint8 RGB if there are colours
    alpha     (H, W) bool, True where the image is opaque; None if it is everywhere or nowhere
    is_lossy  whether the file's compression may have changed the values, as in JPEG
    """

    values: np.ndarray
    alpha: np.ndarray | None
    is_lossy: bool

    @property
    def has_colors(self) -> bool:
        return self.values.ndim == 3


def read_labels(path: Path) -> np.ndarray:
    """The labels (H, W) uint8 or uint16 in an image file: its palette indices or grey values.

    Transparent pixels have the label 0. Raises SourceError if the file cannot be read, or if it holds colours or
    numbers that are no labels.
    """
    pixels = read_pixels(path)
    if pixels.has_colors:
        raise SourceError(f"expected a mask or label image (grey or palette) in {path}; got colours")
    return whole_numbers(pixels.values, path)


def read_pixels(path: Path) -> Pixels:
    """The palette indices, grey values or colours in an image file; raises SourceError if it cannot be read."""
    try:
        with Image.open(path) as image:
            is_lossy = image.format in _LOSSY and not _is_lossless_webp(path)
            count = getattr(image, "n_frames", 1) if image.format in _STACKS else 1
            upright = ImageOps.exif_transpose(image)  # as OpenCV reads the frames
            is_color = upright.mode in _OTHER_COLORS or _is_shuffled(upright)
            values = np.asarray(upright.convert("RGB") if is_color else upright)
    except UnidentifiedImageError:
        raise SourceError(f"cannot read {path}: not an image file, or a broken one") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        # Pillow raises SyntaxError for a broken PNG.
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if count > 1:
        _log.warning("%s holds %d images: the first one is read", path, count)
    alpha, has_colors = None, values.ndim == 3 and values.shape[2] > 2
    if values.ndim == 3 and values.shape[2] in (2, 4):
        opaque = values[..., -1] >= _OPAQUE
        alpha = opaque if opaque.any() and not opaque.all() else None
        values = values[..., :-1]
    if values.ndim == 3 and np.ptp(values, axis=2).max() <= (_TINT if is_lossy else 0):
        values = values[..., values.shape[2] // 2]  # The only channel of grey, the green one of colours.
    if alpha is not None and values.ndim == 2:
        # A shape of one colour on a transparent background is the object, whether it is black, grey or white.
        is_shape = not values[alpha].any() or (has_colors and np.ptp(values[alpha]) == 0)
        values = np.where(alpha, _WHITE if is_shape else values, 0).astype(values.dtype)
    return Pixels(values, alpha, is_lossy)


def whole_numbers(values: np.ndarray, path: Path) -> np.ndarray:
    """Values (H, W) of any type as labels, uint8 or uint16; raises SourceError if they are none."""
    if values.dtype in (bool, np.uint8):
        return values.astype(np.uint8)
    if values.dtype.kind not in "iuf" or not np.isfinite(values).all() or (values != np.rint(values)).any():
        raise SourceError(f"expected whole numbers, 8 or 16 bits, in {path}; got {values.dtype}")
    if values.min() < 0 or values.max() > HIGHEST:
        raise SourceError(f"expected labels from 0 to {HIGHEST} in {path}; got {values.min():g} to {values.max():g}")
    return values.astype(np.uint16)


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write labels (H, W): uint8 as a palette PNG in the objects' colours, uint16 as a 16-bit grey PNG.

    Raises SourceError if the file cannot be written.
    """
    image = Image.fromarray(labels)
    if labels.dtype == np.uint8:
        image.putpalette(_PALETTE)
    try:
        image.save(path, format="PNG")
    except OSError as error:
        raise SourceError(f"cannot write {path}: {error.strerror}") from None


def _is_lossless_webp(path: Path) -> bool:
    with path.open("rb") as file:
        return _LOSSLESS_WEBP in file.read(64)


def _is_shuffled(image: Image.Image) -> bool:
    """Whether a palette's first colour is not black and another one is, so that its indices are no labels.

    Programs that make a palette of an image's colours put them in an order of their own.
    """
    if image.mode != "P":
        return False
    colors = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.unique(np.asarray(image))
    used = used[used < len(colors)]
    return len(colors) > 0 and bool(colors[0].any()) and bool((colors[used] == 0).all(axis=1).any())
