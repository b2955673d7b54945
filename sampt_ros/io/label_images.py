"""Label images as PNG files: one number per pixel, with a palette where they fit in a byte, as DAVIS stores them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from sampt_ros.errors import SourceError
from sampt_ros.io.palette import object_color

_PALETTE = [0, 0, 0, *(value for label in range(1, 256) for value in object_color(label))]


def read_labels(path: Path) -> np.ndarray:
    """The labels (H, W) uint8 or uint16 in an image file: palette indices, or grey values as they are.

    Raises SourceError if the file cannot be read or holds colours.
    """
    try:
        with Image.open(path) as image:
            labels = np.asarray(image)
    except UnidentifiedImageError:
        raise SourceError(f"cannot read {path}: not an image file, or a broken one") from None
    except (OSError, SyntaxError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if labels.ndim == 3:
        colors = labels[..., :3]
        if (colors != colors[..., :1]).any():
            raise SourceError(f"expected a mask or label image (grey or palette) in {path}; got colours")
        labels = colors[..., 0]
    if labels.dtype == bool:
        labels = labels.astype(np.uint8)
    if labels.dtype == np.int32:  # how Pillow may give 16 bits
        labels = labels.astype(np.uint16)
    if labels.dtype not in (np.uint8, np.uint16):
        raise SourceError(f"expected 8 or 16 bits per pixel in {path}; got {labels.dtype}")
    return labels


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
