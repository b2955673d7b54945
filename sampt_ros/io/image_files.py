"""Reads and writes image files."""

from __future__ import annotations

import io
import logging
import re
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from sampt_ros.errors import SourceError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.writing import write_whole, writing
from sampt_ros.weights import git_lfs

_log = logging.getLogger(__name__)

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

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xff\xda", b"\xff\xd9"
_JPEG_BLOCK = 8  # Height and width in pixels.
_JPEG_FILL = 128  # The value that a decoder writes where data are missing.
_FRAME_NUMBER = re.compile("[0-9]{5}|[1-9][0-9]{5,}")  # As files are named: with zeros before it up to five digits.
_TIFF = (b"II*\0", b"MM\0*")
_PAGED = (*_TIFF, b"II+\0", b"MM\0+", b"GIF8")  # Files that may hold several images begin with these,
ANIMATED_AVIF = b"ftypavis"  # or have this from byte 4 on,
_WEBP_MOVES, _HEAD = 2, 32  # or, as WebP, this bit in the first bytes.
_BITS_PER_SAMPLE, _SAMPLE_FORMAT = 258, 339  # Numbers of a TIFF's tags.
_SIGNED = 2  # a value of the latter
_PILLOW_FORMATS = ("GIF", "AVIF")
_PAM = b"P7"  # OpenCV exchanges its channels, or reads beyond them.
_PNG_CHUNK = 12  # Bytes of a PNG chunk besides its content: length, kind, checksum.

# Pillow's names for pixels of other numbers, as of radiometric thermal cameras, and what they are.
_OTHER_NUMBERS = {"F": "floats of 32 bits", "I": "whole numbers of 32 bits"}


def decode(data: bytes | np.ndarray, flags: int) -> np.ndarray | None:
    """Decode the content of an image file by cv2.imdecode; returns None if that fails.

    data: bytes, or (n,) uint8; flags: OpenCV's, such as IMREAD_COLOR, which gives BGR

    A JPEG that lacks nothing but its end mark, which some cameras leave out, is decoded; one that is cut off is not.
    """
    content = np.frombuffer(data, np.uint8)
    if len(content) == 0 or content[:2].tobytes() == _PAM or not _is_complete(content):
        return None
    if is_open := _lacks_end(content):
        content = np.concatenate([content, np.frombuffer(_JPEG_END, np.uint8)])
    try:
        image: np.ndarray | None = cv2.imdecode(content, flags)
    except cv2.error:  # The size in the data exceeds OpenCV's limits.
        return None
    return None if image is not None and is_open and _is_filled_up(image) else image


def read_image(
    path: Path, grey: GreyRange | None = None, tell_more: Callable[[Path, int], None] | None = None
) -> np.ndarray:
    """Read an image (H, W, 3) uint8 RGB, the first one of a file of several; raises SourceError if it cannot be read.

    An image of 16 bits is scaled by the range of values in `grey`, which follows a sequence of images, or else by its
    own range. For a file of several images, `tell_more` is called with their number, as `warn_of_more_images`, which
    is the default.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    image = decode(data, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is not None and image.dtype != np.uint8:
        if image.dtype == np.int16 or (image.dtype == np.uint16 and _has_sign(data)):
            image = unsigned(image.view(np.int16))  # Before version 5, OpenCV does not tell that there is a sign.
        if image.dtype == np.uint16:
            has_colors = bool((image != image[..., :1]).any())
            image = (grey or GreyRange()).to_8_bits(image, from_zero=has_colors)
        else:
            image = decode(data, cv2.IMREAD_COLOR)
    if image is None:
        image = _by_pillow(data)
    if image is None:
        raise SourceError(f"cannot read {path}: {what_is_wrong(data)}")
    if (count := held_images(data)) != 1:
        (tell_more or warn_of_more_images)(path, count)
    rgb: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def _by_pillow(data: bytes) -> np.ndarray | None:
    """The first image, BGR, of a file of the formats that builds of OpenCV may lack; None if it cannot be read."""
    with suppress(*UNREADABLE), Image.open(io.BytesIO(data), formats=_PILLOW_FORMATS) as image:
        return np.ascontiguousarray(np.asarray(ImageOps.exif_transpose(image).convert("RGB"))[..., ::-1])
    return None


def image_count(image: Image.Image) -> int:
    """The number of images in an open file; 0 if damage after the first one prevents counting."""
    try:
        return getattr(image, "n_frames", 1)
    except UNREADABLE:
        return 0


def held_images(data: bytes) -> int:
    """The number of images in the content of a file, such as the pages of a TIFF; 0 if it cannot be counted."""
    head, in_png = data[:_HEAD], data[: data.find(b"IDAT")] if data.startswith(_PNG) else b""
    is_moving_webp = head[:4] == b"RIFF" and head[12:16] == b"VP8X" and bool(head[20] & _WEBP_MOVES)
    if not (head.startswith(_PAGED) or is_moving_webp or head[4:12] == ANIMATED_AVIF or b"acTL" in in_png):
        return 1
    with suppress(*UNREADABLE), Image.open(io.BytesIO(data)) as image:
        return image_count(image)
    return 0 if head[4:12] == ANIMATED_AVIF else 1  # Old versions of Pillow do not read AVIF.


def warn_of_more_images(path: Path | str, count: int) -> None:
    """Warn that of a file's images, 0 for an unknown number, the first one is read."""
    _log.warning("%s holds %s images: the first one is read", path, count or "several")


def what_is_wrong(data: bytes) -> str:
    """Why the content of a file cannot be decoded as an image, for people."""
    if git_lfs.is_pointer(data):
        return git_lfs.POINTER
    if _lacks_end(np.frombuffer(data, np.uint8)):
        return "a JPEG that is cut off"
    with suppress(*UNREADABLE), Image.open(io.BytesIO(data)) as image:
        if wrong := wrong_numbers(image):
            return wrong
    return "not an image file, or a broken one"


def wrong_numbers(image: Image.Image) -> str:
    """What is wrong with an open file's pixels if they are not of 8 or 16 bits, for people; otherwise empty."""
    if image.mode not in _OTHER_NUMBERS or (image.mode == "I" and _has_16_bits(image)):
        return ""
    return f"its pixels are {_OTHER_NUMBERS[image.mode]}; expected 8 or 16 bits"


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 RGB, creating its folder if needed; raises SourceError if that fails."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())


def unsigned(values: np.ndarray) -> np.ndarray:
    """Values of 16 bits with a sign as uint16 from 0 on, with the same differences."""
    return (values.astype(np.int32) - np.iinfo(np.int16).min).astype(np.uint16)


def _has_sign(data: bytes) -> bool:
    """Whether a file's content is a TIFF of whole numbers with a sign."""
    if bytes(data[:4]) not in _TIFF:
        return False
    with suppress(*UNREADABLE), Image.open(io.BytesIO(data)) as image:
        return set(getattr(image, "tag_v2", {}).get(_SAMPLE_FORMAT, ())) == {_SIGNED}
    return False


def _has_16_bits(image: Image.Image) -> bool:
    """Whether a file has 16 bits where Pillow holds 32: with a sign in TIFF, and in older versions always in PNG."""
    tags = getattr(image, "tag_v2", {})
    return image.format == "PNG" or tags.get(_BITS_PER_SAMPLE) == (16,)


def _lacks_end(content: np.ndarray) -> bool:
    """Whether content (n,) uint8 is a JPEG without an end mark after its last scan."""
    if content[:2].tobytes() != _JPEG or content[-2:].tobytes() == _JPEG_END:
        return False
    data = content.tobytes()
    return data.rfind(_JPEG_END) < data.rfind(_JPEG_SCAN)


def _is_filled_up(image: np.ndarray) -> bool:
    """Whether the decoder filled a JPEG's last block, which is at any corner, since photos may be rotated."""
    near, far = slice(_JPEG_BLOCK), slice(-_JPEG_BLOCK, None)
    return any(bool((image[rows, columns] == _JPEG_FILL).all()) for rows in (near, far) for columns in (near, far))


def _is_complete(content: np.ndarray) -> bool:
    """Whether content (n,) uint8, if it is a PNG, has all its chunks in full.

    OpenCV allocates memory for a chunk before it checks whether the data is there: up to 4 GB if a length is damaged.
    """
    at = len(_PNG)
    if content[:at].tobytes() != _PNG:
        return True
    while at + _PNG_CHUNK <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8].tobytes())
        at += _PNG_CHUNK + length
        if kind == b"IEND":
            break
    return at <= len(content)


def folder_for_frames(folder: Path, suffix: str) -> None:
    """Create a folder for files named by frame number, such as 00012.png; those of an earlier run are deleted.

    Files of any other name are not ours, and stay. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in list(folder.iterdir()):
        if path.suffix == suffix and _FRAME_NUMBER.fullmatch(path.stem):
            path.unlink()
