"""Decodes a picture of an object and its mask that a viewer uploaded; neither is written to a file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from PIL import Image

from sampt_ros.errors import FrameError, QueryError, SourceError
from sampt_ros.io.image_files import UNREADABLE, decode
from sampt_ros.io.label_images import decode_pixels
from sampt_ros.io.masks import decode_masks
from sampt_ros.streaming.requests import Reference, fitted_mask

MOST_BYTES = 16 * 2**20  # Largest message.
_MOST_PIXELS = 25_000_000
_LONGEST_SIDE = 1600  # Pixels; larger pictures are scaled down, since the stream waits while one is learned.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")


def reference_from_upload(header: Mapping[str, Any], content: bytes, object_id: int) -> Reference:
    """The reference in an upload: an image (H, W, 3) uint8 RGB and a mask (H, W) bool.

    header     its `picture` is the number of bytes of the picture's file
    content    the picture's file and then the mask's, which may be missing if the picture's background is transparent
    object_id  id of the object, 0 for a new one

    Raises QueryError or FrameError if the upload cannot be used.
    """
    length = header.get("picture")
    if header.get("type") != "reference" or type(length) is not int or not 0 < length <= len(content):
        raise QueryError("expected a reference with the number of bytes of its picture; got another header")
    picture, mask = content[:length], content[length:]
    _check("picture", picture)
    image = decode(picture, cv2.IMREAD_COLOR)
    if image is None:
        raise FrameError("expected a picture (JPEG, PNG, WebP, BMP); got a broken one")
    size: tuple[int, int] = image.shape[:2]
    found = _mask(mask, picture, size)
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    scale = _LONGEST_SIDE / max(size)
    if scale < 1:
        smaller = max(1, round(scale * size[1])), max(1, round(scale * size[0]))
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
        found = cv2.resize(found.view(np.uint8), smaller, interpolation=cv2.INTER_NEAREST_EXACT).view(bool)
    return Reference(image, found, object_id)


def _mask(mask: bytes, picture: bytes, size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) bool from its own file, or else from the picture's transparency; size: the picture's (H, W)."""
    if mask:
        _check("mask", mask)
    try:
        found = _union(decode_masks(mask, "the mask")) if mask else decode_pixels(picture, "the picture").alpha
    except SourceError as error:
        raise QueryError(str(error)) from None
    if found is None:
        raise QueryError("expected a mask, or a picture with a transparent background; got a picture alone")
    fitted, _ = fitted_mask(found, size)
    if fitted is None or fitted.shape != size:
        (height, width), (rows, columns) = size, found.shape
        raise QueryError(f"expected a mask of the picture's size {width}x{height}, or its shape; got {columns}x{rows}")
    return fitted


def _union(masks: Mapping[int, np.ndarray]) -> np.ndarray:
    union: np.ndarray = np.any(list(masks.values()), axis=0)
    return union


def _check(what: str, data: bytes) -> None:
    """Raise FrameError, before an image is decoded, if its format is unknown or it is too large."""
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError:  # Pillow does not tell the size of an image that is far too large.
        width, height = 0, 0
    except UNREADABLE:
        raise FrameError(f"expected a {what} as JPEG, PNG, WebP or BMP; got none of these") from None
    if not 0 < width * height <= _MOST_PIXELS:
        came = f"{width}x{height}" if width else "a far larger one"
        raise FrameError(f"expected a {what} of at most {_MOST_PIXELS // 10**6} megapixels; got {came}")
