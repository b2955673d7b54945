"""Converts image messages to arrays and back, with the classes of ROS or of rosbags.

Images become (H, W, 3) uint8 RGB. The common 8-bit encodings are converted here, all others by ROS's cv_bridge if it
works, or else by rosbags-image.
"""

from __future__ import annotations

import sys
from string import digits
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np

from sampt_ros.errors import FrameError, QueryError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.image_files import decode
from sampt_ros.messages.color_backends import color_backend

_BAYER = [f"bayer_{order}{depth}" for order in ("rggb", "bggr", "gbrg", "grbg") for depth in (8, 16)]

# Channels by encoding; those that end in 16 have two bytes per channel, all others one.
_CHANNELS = {
    **dict.fromkeys(["mono8", "mono16", *_BAYER, "nv12", "nv21"], 1),
    **dict.fromkeys(["yuv422", "yuv422_yuy2"], 2),
    **dict.fromkeys(["rgb8", "bgr8", "rgb16", "bgr16"], 3),
    **dict.fromkeys(["rgba8", "bgra8", "rgba16", "bgra16"], 4),
}
# The same layout under another name; encodings without colour information are taken as OpenCV orders its channels.
_ALIASES = {
    "uyvy": "yuv422",
    "yuyv": "yuv422_yuy2",
    "8UC1": "mono8",
    "8UC3": "bgr8",
    "8UC4": "bgra8",
    "16UC1": "mono16",
    "16UC3": "bgr16",
    "16UC4": "bgra16",
}
_WITHOUT_ALPHA = {"rgba16": "rgb16", "bgra16": "bgr16"}  # alpha uses all 16 bits, which colours rarely do
_HALF_HEIGHT_CHROMA = ("nv12", "nv21")  # a plane of H rows of luminance, then one of H / 2 rows of chrominance
_EVEN_WIDTH = ("yuv422", "yuv422_yuy2", *_HALF_HEIGHT_CHROMA)
_OWN_CONVERSIONS = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
}
# The pixels as they are stored, as image_transport gives them: a mask has to fit CameraInfo and what other nodes see.
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
# Encodings of one channel, as numpy names their numbers.
_DEPTH_TYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_MASK_TYPES = {"mono8": "u1", "8UC1": "u1", "8SC1": "i1", "16SC1": "i2", "32SC1": "i4", "64FC1": "f8"} | _DEPTH_TYPES
_LABEL_TYPES = {"mono8": "u1", "mono16": "u2"}
_PUBLISHED = {"mono8": (np.uint8, 1), "mono16": (np.uint16, 1), "rgb8": (np.uint8, 3)}


def rgb_from_image(msg: Any, grey: GreyRange | None = None) -> np.ndarray:
    """The image as (H, W, 3) uint8 RGB, C-contiguous; an unpadded rgb8 image is not copied but shares msg.data.

    16-bit channels are scaled to 8 bits by the range of values in `grey`, which follows a stream of images; without it
    they are divided by 257, so that white stays white. 8UC1, 8UC3 and 8UC4 are taken as mono8, bgr8 and bgra8, those of
    16 bits accordingly; alpha is left out. Bytes after the last row are ignored. Raises FrameError for an unknown
    encoding, and if size, step and data do not agree.
    """
    encoding = _ALIASES.get(msg.encoding, msg.encoding)
    if encoding not in _CHANNELS:
        known = ", ".join([*_CHANNELS, *_ALIASES])
        raise FrameError(f"expected an image encoding in colour or grey ({known}); got {msg.encoding!r}")
    pixels = _pixels(msg, encoding)
    if encoding in _WITHOUT_ALPHA:
        pixels, encoding = np.ascontiguousarray(pixels[..., :3]), _WITHOUT_ALPHA[encoding]
    if pixels.dtype == np.uint16 and grey is not None:
        pixels = grey.to_8_bits(pixels, from_zero=encoding != "mono16")
        encoding = f"{encoding[:-2]}8"
    if encoding == "rgb8":
        return pixels
    if encoding in _OWN_CONVERSIONS:
        rgb: np.ndarray = cv2.cvtColor(pixels, _OWN_CONVERSIONS[encoding])
        return rgb
    return np.ascontiguousarray(color_backend()(_message(pixels, encoding, (msg.height, msg.width))))


def rgb_from_compressed(msg: Any, grey: GreyRange | None = None) -> np.ndarray:
    """A JPEG, PNG or other compressed image as (H, W, 3) uint8 RGB; an orientation in its EXIF data is not heeded.

    A Bayer mosaic that was compressed as such, which `format` says, gets its colours. 16-bit channels are scaled to
    8 bits as in `rgb_from_image`; without `grey` they lose their lower byte. Raises FrameError if the data cannot be
    decoded.
    """
    if (encoding := _mosaic_encoding(msg.format)) is not None:
        mosaic = decode(msg.data, cv2.IMREAD_UNCHANGED)
        if mosaic is not None and mosaic.ndim == 2:
            return rgb_from_image(_message(mosaic, f"{encoding.rstrip(digits)}{8 * mosaic.itemsize}"), grey)
    image = decode(msg.data, _AS_STORED | cv2.IMREAD_ANYDEPTH if grey is not None else _AS_STORED)
    if image is None:
        raise FrameError(f"expected JPEG or PNG data; got {len(msg.data)} bytes that do not decode ({msg.format!r})")
    if image.dtype == np.uint16 and grey is not None:
        if (image == image[..., :1]).all():
            image = cv2.cvtColor(grey.to_8_bits(image[..., 0]), cv2.COLOR_GRAY2BGR)
        else:
            image = grey.to_8_bits(image, from_zero=True)
    rgb: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def mask_from_image(msg: Any) -> np.ndarray | None:
    """A seed mask as (H, W) bool, True where a pixel is above 0; None for an empty message, which means no mask.

    Raises QueryError for an encoding of more than one channel, and if size, step and data do not agree.
    """
    if msg.width == 0 and msg.height == 0 and len(msg.data) == 0:
        return None
    if msg.encoding not in _MASK_TYPES:
        raise QueryError(f"expected a mask encoded as one of {', '.join(_MASK_TYPES)}; got {msg.encoding!r}")
    try:
        return _plane(msg, _MASK_TYPES[msg.encoding]) > 0
    except FrameError as error:
        raise QueryError(f"mask: {error}") from None


def depth_from_image(msg: Any) -> np.ndarray:
    """Depth according to REP 118: (H, W) uint16 millimetres or float32 metres, in native byte order.

    Raises FrameError for another encoding, and if size, step and data do not agree.
    """
    if msg.encoding not in _DEPTH_TYPES:
        raise FrameError(f"expected depth encoded as one of {', '.join(_DEPTH_TYPES)}; got {msg.encoding!r}")
    plane = _plane(msg, _DEPTH_TYPES[msg.encoding])
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)


def labels_from_image(msg: Any) -> np.ndarray:
    """Labels, (H, W) uint8 or uint16, in native byte order.

    Raises FrameError for an encoding other than mono8 and mono16, and if size, step and data do not agree.
    """
    if msg.encoding not in _LABEL_TYPES:
        raise FrameError(f"expected labels encoded as one of {', '.join(_LABEL_TYPES)}; got {msg.encoding!r}")
    plane = _plane(msg, _LABEL_TYPES[msg.encoding])
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)


def image_fields(array: np.ndarray, encoding: str) -> dict[str, Any]:
    """The fields, except the header, of an Image of mono8 (H, W) uint8, mono16 (H, W) uint16 or rgb8 (H, W, 3) uint8.

    Little-endian, without padding; `data` is (n,) uint8. Raises FrameError if the array and the encoding do not agree.
    """
    if encoding not in _PUBLISHED:
        raise FrameError(f"expected one of the encodings {', '.join(_PUBLISHED)}; got {encoding!r}")
    kind, channels = _PUBLISHED[encoding]
    if array.dtype != kind or array.ndim < 2 or array.shape[2:] != ((channels,) if channels > 1 else ()):
        shape = "(H, W)" if channels == 1 else f"(H, W, {channels})"
        raise FrameError(f"expected {shape} {np.dtype(kind).name} for {encoding}; got {array.shape} {array.dtype.name}")
    height, width = array.shape[:2]
    step = width * channels * array.itemsize
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": 0,
        "step": step,
        "data": data.reshape(-1).view(np.uint8),
    }


def _message(pixels: np.ndarray, encoding: str, size: tuple[int, int] | None = None) -> SimpleNamespace:
    """An image message without a header of C-contiguous pixels; size: (height, width), if not that of the array."""
    height, width = size or pixels.shape[:2]
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.nbytes // len(pixels),
        data=pixels.reshape(-1).view(np.uint8),
    )


def _mosaic_encoding(compressed: str) -> str | None:
    """The encoding of a Bayer mosaic that was compressed as it is, by a CompressedImage's `format`; else None.

    image_transport writes "bayer_rggb8; png compressed " there, and "bayer_rggb8; jpeg compressed bgr8" where it
    has computed colours.
    """
    encoding, _, codec = (part.strip() for part in compressed.partition(";"))
    target = codec.partition("compressed")[2].strip()
    return encoding if encoding in _BAYER and target in ("", encoding) else None


def _pixels(msg: Any, encoding: str) -> np.ndarray:
    """The pixels, (rows, W) or (rows, W, channels) uint8 or uint16, C-contiguous, in native byte order."""
    channels = _CHANNELS[encoding]
    kind = np.dtype(np.uint16 if encoding.endswith("16") else np.uint8)
    rows = msg.height
    if encoding in _EVEN_WIDTH and msg.width % 2:
        raise FrameError(f"expected an even width for {msg.encoding}; got {msg.width}x{msg.height}")
    if encoding in _HALF_HEIGHT_CHROMA:
        if msg.height % 2:
            raise FrameError(f"expected an even height for {msg.encoding}; got {msg.width}x{msg.height}")
        rows = msg.height * 3 // 2
    packed = np.ascontiguousarray(_rows(msg, rows, msg.width * channels * kind.itemsize)).view(kind)
    if kind.itemsize > 1 and bool(msg.is_bigendian) != (sys.byteorder == "big"):
        packed = packed.byteswap()
    return packed if channels == 1 else packed.reshape(rows, msg.width, channels)


def _plane(msg: Any, kind: str) -> np.ndarray:
    """The pixels of one channel, (H, W), C-contiguous, in the message's byte order; kind: NumPy's name of the dtype."""
    number = np.dtype(kind).newbyteorder(">" if msg.is_bigendian else "<")
    return np.ascontiguousarray(_rows(msg, msg.height, msg.width * number.itemsize)).view(number)


def _rows(msg: Any, rows: int, row_bytes: int) -> np.ndarray:
    """The message's data without padding, (rows, row_bytes) uint8, not copied."""
    if msg.width == 0 or msg.height == 0:
        raise FrameError(f"expected an image with at least one pixel; got {msg.width}x{msg.height}")
    if msg.step < row_bytes:
        raise FrameError(
            f"expected a step of at least {row_bytes} bytes for {msg.width} pixels of {msg.encoding}; got {msg.step}"
        )
    data = np.frombuffer(msg.data, np.uint8)
    if len(data) < rows * msg.step:
        raise FrameError(f"expected {rows} rows of {msg.step} bytes, {rows * msg.step} in all; got {len(data)}")
    return data[: rows * msg.step].reshape(rows, msg.step)[:, :row_bytes]
