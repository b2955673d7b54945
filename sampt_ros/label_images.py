"""Label images as PNG files: one number per pixel, with a palette where they fit in a byte, as DAVIS stores them.

OpenCV turns a palette into colours when it reads, and cannot write one. The pixel data of a palette PNG and of a grey
one are the same bytes, though, so only the PNG's header is exchanged here.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.palette import object_color

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTH_BYTE, _COLOR_BYTE = 8, 9  # in the header chunk: after width and height
_GREY, _INDEXED = 0, 3
_Chunk = tuple[bytes, bytes]


def read_labels(path: Path) -> np.ndarray:
    """The labels (H, W) uint8 or uint16 in an image file: palette indices, or grey values as they are.

    Raises SourceError if the file cannot be read or holds colours.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    content, scale = _without_palette(content)
    labels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    if labels is None:
        raise SourceError(f"cannot read {path}: not an image file, or a broken one")
    if labels.ndim == 3:
        if (labels[..., :3] != labels[..., :1]).any():
            raise SourceError(f"expected a mask or label image (grey or palette) in {path}; got colours")
        labels = labels[..., 0]
    if labels.dtype not in (np.uint8, np.uint16):
        raise SourceError(f"expected 8 or 16 bits per pixel in {path}; got {labels.dtype}")
    return labels // scale


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write labels (H, W): uint8 as a palette PNG in the objects' colours, uint16 as a 16-bit grey PNG.

    Raises SourceError if the file cannot be written.
    """
    content = cv2.imencode(".png", labels)[1].tobytes()
    if labels.dtype == np.uint8:
        content = _with_palette(content)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise SourceError(f"cannot write {path}: {error.strerror}") from None


def _without_palette(content: bytes) -> tuple[bytes, int]:
    """A palette PNG as a grey one, and what grey values are to be divided by; anything else as it is, and 1."""
    if not content.startswith(_SIGNATURE) or content[len(_SIGNATURE) + 8 + _COLOR_BYTE :][:1] != bytes([_INDEXED]):
        return content, 1
    chunks = [(kind, data) for kind, data in _chunks(content) if kind in (b"IHDR", b"IDAT", b"IEND")]
    depth = chunks[0][1][_DEPTH_BYTE]
    return _png(_recolored(chunks, _GREY)), 255 // (2**depth - 1)  # fewer than 8 bits are stretched to 0..255


def _with_palette(content: bytes) -> bytes:
    """A grey 8-bit PNG as one with the objects' colours."""
    header, *rest = _recolored(list(_chunks(content)), _INDEXED)
    colors = bytes([0, 0, 0, *(value for label in range(1, 256) for value in object_color(label))])
    return _png([header, (b"PLTE", colors), *rest])


def _recolored(chunks: list[_Chunk], color_type: int) -> list[_Chunk]:
    header = bytearray(chunks[0][1])
    header[_COLOR_BYTE] = color_type
    return [(b"IHDR", bytes(header)), *chunks[1:]]


def _chunks(content: bytes) -> Iterator[_Chunk]:
    """The (kind, data) of every chunk of a PNG; stops where the file is cut off."""
    start = len(_SIGNATURE)
    while start + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, start)
        yield kind, content[start + 8 : start + 8 + length]
        start += length + 12  # length, kind and checksum are 4 bytes each


def _png(chunks: Iterable[_Chunk]) -> bytes:
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return _SIGNATURE + b"".join(packed)
