"""Decodes depth that image_transport compressed.

Its transport compressedDepth sends PNG or RVL data after a header of 12 bytes, `compressed` a PNG or TIFF as it is.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
from numpy.typing import DTypeLike

from sampt_ros.errors import FrameError
from sampt_ros.io.image_files import decode

TRANSPORT = "compressedDepth"  # the suffix of the topic, which the format names, too
PLAIN_TRANSPORT = "compressed"
SUFFIXES = (f"/{TRANSPORT}", f"/{PLAIN_TRANSPORT}")  # of the topics of either, which follow that of raw depth

_HEADER = struct.Struct("<iff")  # kind of quantization, and its two parameters for depth in metres
_SIZE = struct.Struct("<II")  # width and height, before RVL's data
_PNG = b"\x89PNG"
_LOSSLESS, _LOSSY = ("png", "tiff"), ("jpeg", "jpg")  # the names of plain files in a format
_NUMBERS: dict[str, DTypeLike] = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}  # by encoding
_MAX_PIXELS = 2**26
_MAX_NIBBLES = 10  # of a number up to _MAX_PIXELS


def is_compressed_depth(format_: str) -> bool:
    """Whether a CompressedImage of this format holds depth rather than a picture."""
    return TRANSPORT in format_


def raw_topic(topic: str) -> str:
    """The name of the topic of raw depth, given that of any of its transports."""
    for suffix in SUFFIXES:
        topic = topic.removesuffix(suffix)
    return topic


def depth_topic(topic: str, transport: str) -> str:
    """The name of the topic of a transport, "raw" or another one, given that of any of them."""
    return raw_topic(topic) if transport == "raw" else f"{raw_topic(topic)}/{transport}"


def plain_encoding(format_: str) -> str:
    """The encoding of raw images that a CompressedImage of this format holds without loss, "" if there is none.

    image_transport writes "16UC1; png compressed " where it stored them as they are.
    """
    encoding, _, codec = format_.partition(";")
    return encoding.strip() if codec.split()[:1] and codec.split()[0] in _LOSSLESS else ""


def is_lossy_depth(format_: str) -> bool:
    """Whether a CompressedImage of this format was depth before JPEG changed its values."""
    encoding, _, codec = format_.partition(";")
    return encoding.strip() in ("16UC1", "32FC1") and codec.split()[:1] in [[name] for name in _LOSSY]


def depth_from_compressed(msg: Any) -> np.ndarray:
    """Depth according to REP 118: (H, W) uint16 millimetres, or float32 metres with NaN where nothing was measured.

    As compressedDepth, 32FC1 is sent as 16-bit numbers, quantized inverse depth. Raises FrameError for another
    encoding, and for data that cannot be decoded.
    """
    encoding = msg.format.partition(";")[0].strip()
    data = bytes(msg.data)
    if plain_encoding(msg.format) in _NUMBERS and not is_compressed_depth(msg.format):
        return _image(data, _NUMBERS[encoding], "PNG or TIFF")
    if not is_compressed_depth(msg.format) or encoding not in _NUMBERS:
        why = ", in which the distances are lost" if is_lossy_depth(msg.format) else ""
        raise FrameError(f"expected 16UC1 or 32FC1 as {TRANSPORT}, PNG or TIFF; got the format {msg.format!r}{why}")
    if len(data) <= _HEADER.size:
        raise FrameError(f"expected a header of {_HEADER.size} bytes and {TRANSPORT} data; got {len(data)} bytes")
    numbers = _decoded(data[_HEADER.size :], msg.format)
    if encoding != "32FC1":
        return numbers
    _, scale, offset = _HEADER.unpack_from(data)
    with np.errstate(divide="ignore", invalid="ignore"):
        metres = np.float32(scale) / (numbers.astype(np.float32) - np.float32(offset))
    metres[numbers == 0] = np.nan
    return metres


def _decoded(data: bytes, format_: str) -> np.ndarray:
    """Decode PNG or RVL data to (H, W) uint16."""
    if not data.startswith(_PNG):
        if "rvl" not in format_:
            raise FrameError(f"expected PNG data, or RVL where the format names it; got {format_!r}")
        return _from_rvl(data)
    return _image(data, np.uint16, "PNG")


def _image(data: bytes, kind: DTypeLike, container: str) -> np.ndarray:
    """Decode an image file to (H, W) of these numbers."""
    image = decode(data, cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2 or image.dtype != kind:
        got = "data that do not decode" if image is None else f"{image.shape} {image.dtype}"
        bits = 8 * np.dtype(kind).itemsize
        raise FrameError(f"expected a {container} of one channel of {bits} bits; got {got}")
    return np.asarray(image)


def _from_rvl(data: bytes) -> np.ndarray:
    """Decode RVL (run lengths of zeros, differences elsewhere, in groups of 3 bits; Wilson 2017) to (H, W) uint16."""
    width, height = _SIZE.unpack_from(data) if len(data) >= _SIZE.size else (0, 0)
    count = width * height
    if not 0 < count <= _MAX_PIXELS:
        raise FrameError(f"expected RVL data of at least one pixel and at most {_MAX_PIXELS}; got {width}x{height}")
    numbers = _numbers(data[_SIZE.size :])
    has_depth, is_step = np.zeros(count, bool), np.zeros(len(numbers), bool)
    pixel = at = 0
    while pixel < count:  # a run: number of pixels without depth, number with depth, and a difference for each of these
        if at + 1 >= len(numbers):
            raise FrameError(f"expected RVL data of {width}x{height} pixels; they end after {pixel}")
        begin = pixel + int(numbers[at])
        pixel = begin + int(numbers[at + 1])
        at += 2 + pixel - begin
        if pixel > count or at > len(numbers):
            raise FrameError(f"expected RVL data of {width}x{height} pixels; got a run beyond the end")
        has_depth[begin:pixel] = True
        is_step[at - (pixel - begin) : at] = True
    steps = numbers[is_step]
    depth = np.zeros(count, np.int64)
    depth[has_depth] = np.cumsum((steps >> 1) ^ -(steps & 1))  # the lowest bit is the sign
    if depth.min() < 0 or depth.max() > np.iinfo(np.uint16).max:
        raise FrameError(f"expected RVL data of 16 bits; got depths from {depth.min()} to {depth.max()}")
    return depth.astype(np.uint16).reshape(height, width)


def _numbers(data: bytes) -> np.ndarray:
    """Decode numbers of variable length, (n,) int64; each ends with a half byte whose highest bit is not set."""
    words = np.frombuffer(data, "<u4", len(data) // 4)
    nibbles = ((words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & 15).reshape(-1)
    last = np.flatnonzero(nibbles < 8)
    if len(last) == 0:
        return np.zeros(0, np.int64)
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > _MAX_NIBBLES:
        raise FrameError(f"expected RVL data; got a number of {lengths.max()} half bytes")
    place = np.arange(last[-1] + 1) - np.repeat(first, lengths)
    return np.add.reduceat((nibbles[: last[-1] + 1].astype(np.int64) & 7) << (3 * place), first)
