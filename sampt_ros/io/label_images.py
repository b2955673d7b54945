"""Reads and writes label images: one number per pixel; written as PNG, 8-bit ones with a palette, as in DAVIS."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from sampt_ros.errors import SourceError

HIGHEST = 65535  # The largest label.

Color = tuple[int, int, int]  # RGB, 0..255

# After the palette of Okabe and Ito, which is suitable for colour-blind viewers.
_COLORS: tuple[Color, ...] = (
    (0, 158, 255),  # sky blue, a little stronger than in the palette so that it shows against a bright scene
    (230, 120, 0),  # orange
    (0, 190, 130),  # bluish green
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (213, 70, 30),  # vermilion
    (40, 90, 200),  # blue
)

COUNT = len(_COLORS)  # number of different colours

# What Pillow raises for a damaged file; it validates little of what it reads.
UNREADABLE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)

_log = logging.getLogger(__name__)

_LOSSY = ("JPEG", "MPO", "WEBP")
_LOSSLESS_WEBP = b"VP8L"  # The name of the chunk of a lossless image, near the file's beginning.
_STACKS = ("TIFF", "GIF")  # Formats in which several images in a file are most likely several masks.
_OTHER_COLORS = ("CMYK", "YCbCr", "LAB", "HSV")
_TINT = 32  # If the channels of a compressed image differ by at most this, it was grey before compression.
_OPAQUE = 128  # Pixels with at least this alpha are opaque.
_WHITE = 255


def object_color(object_id: int) -> Color:
    """The RGB colour, 0..255, of the object with an id, from 1; after the last colour the first is used again."""
    return _COLORS[(object_id - 1) % len(_COLORS)]


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
    """Read the labels (H, W) uint8 or uint16 of an image file: its palette indices or grey values.

    Transparent pixels have the label 0. Raises SourceError if the file cannot be read, or if it has colours or values
    that are not labels.
    """
    pixels = read_pixels(path)
    if pixels.has_colors:
        raise SourceError(f"expected a mask or label image (grey or palette) in {path}; got colours")
    return whole_numbers(pixels.values, path)


def read_pixels(path: Path) -> Pixels:
    """The palette indices, grey values or colours in an image file; raises SourceError if it cannot be read."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    return decode_pixels(data, path)


def decode_pixels(data: bytes, path: Path | str) -> Pixels:
    """Decode the content of such a file; path: its name in error messages."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            is_lossy = image.format in _LOSSY and not _is_lossless_webp(data)
            upright = ImageOps.exif_transpose(image)  # as OpenCV reads the frames
            is_color = upright.mode in _OTHER_COLORS or _is_shuffled(upright)
            values = np.asarray(upright.convert("RGB") if is_color else upright)
            count = image_count(image) if image.format in _STACKS else 1
    except UnidentifiedImageError:
        raise SourceError(f"cannot read {path}: not an image file, or a broken one") from None
    except UNREADABLE as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if count != 1:
        _log.warning("%s holds %s images: the first one is read", path, count or "several")
    alpha, has_colors = None, values.ndim == 3 and values.shape[2] > 2
    if values.ndim == 3 and values.shape[2] in (2, 4):
        opaque = values[..., -1] >= _OPAQUE
        alpha = opaque if opaque.any() and not opaque.all() else None
        values = values[..., :-1]
    if values.ndim == 3 and np.ptp(values, axis=2).max() <= (_TINT if is_lossy else 0):
        values = values[..., values.shape[2] // 2]  # The only channel of grey, or the green one of RGB.
    if alpha is not None and values.ndim == 2:
        # A shape of one colour on a transparent background is the object, whether it is black, grey or white.
        is_shape = not values[alpha].any() or (has_colors and np.ptp(values[alpha]) == 0)
        values = np.where(alpha, _WHITE if is_shape else values, 0).astype(values.dtype)
    return Pixels(values, alpha, is_lossy)


def image_count(image: Image.Image) -> int:
    """The number of images in an open file; 0 if damage after the first one prevents counting."""
    try:
        return getattr(image, "n_frames", 1)
    except UNREADABLE:
        return 0


def whole_numbers(values: np.ndarray, path: Path | str) -> np.ndarray:
    """Convert values (H, W) of any type to labels, uint8 or uint16; raises SourceError if they are not labels."""
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
        image.putpalette([0, 0, 0, *(value for label in range(1, 256) for value in object_color(label))])
    try:
        image.save(path, format="PNG")
    except OSError as error:
        raise SourceError(f"cannot write {path}: {error.strerror}") from None


def _is_lossless_webp(data: bytes) -> bool:
    return _LOSSLESS_WEBP in data[:64]


def _is_shuffled(image: Image.Image) -> bool:
    """Whether a palette's first colour is not black but another one is, so that its indices are not labels.

    Programs that convert colours to a palette sort them in some other order.
    """
    if image.mode != "P":
        return False
    colors = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.unique(np.asarray(image))
    used = used[used < len(colors)]
    return len(colors) > 0 and bool(colors[0].any()) and bool((colors[used] == 0).all(axis=1).any())
