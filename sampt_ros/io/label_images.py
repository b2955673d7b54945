"""Reads and writes label images: one number per pixel; written as PNG, 8-bit ones with a palette, as in DAVIS."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from sampt_ros.errors import SourceError
from sampt_ros.io.image_files import UNREADABLE, decode, held_images, warn_of_more_images, what_is_wrong
from sampt_ros.io.writing import write_whole, writing

VOID = 255  # In label images of 8 bits (DAVIS, VOC), pixels that belong to no object; in 16 bits, an id like others.
HIGHEST = 65535  # The largest label; in label images of 16 bits, void.

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

_LOSSY = ("AVIF", "JPEG", "MPO", "WEBP")
_LOSSLESS_WEBP = b"VP8L"  # The name of the chunk of a lossless image, near the file's beginning.
_AREA = np.ones((3, 3), np.uint8)  # A value covers an area if it fills a square of this size, unlike those of edges.
_SAME_HUE = 0.2  # Colours of one hue differ by at most this fraction of their strongest channel.
_DARK = 64  # The hue of darker colours is not reliable.
_CUT_TO_8_BITS = ("RGB", "RGBX", "RGBA", "LA")  # Modes as which Pillow gives images of 16 bits a channel, too.
_OTHER_COLORS = ("CMYK", "YCbCr", "LAB", "HSV")
_TINT = 32  # If the channels of a compressed image differ by at most this, it was grey before compression.
_OPAQUE = 0.5  # Pixels with at least this share of the full alpha are opaque.
_WHITE = 255


def object_color(object_id: int) -> Color:
    """The RGB colour, 0..255, of the object with an id, from 1; after the last colour the first is used again."""
    return _COLORS[(object_id - 1) % len(_COLORS)]


def voc_color(label: int) -> Color:
    """The RGB colour, 0..255, in which DAVIS, VOC and many tools show a label from 0 to 255."""
    bits = [[label >> (3 * place + channel) & 1 for place in range(3)] for channel in range(3)]
    red, green, blue = (sum(bit << (7 - place) for place, bit in enumerate(channel)) for channel in bits)
    return red, green, blue


def area_labels(labels: np.ndarray) -> np.ndarray:
    """(n,) the values of labels (H, W) that cover an area somewhere, not only lines or edges."""
    areas: np.ndarray = np.unique(labels[cv2.erode(labels, _AREA) == cv2.dilate(labels, _AREA)])
    return areas


def are_flat(labels: np.ndarray) -> bool:
    """Whether several values of labels (H, W) besides 0 cover areas, and at least half of all: no picture, no edges."""
    found = np.unique(labels[labels > 0])
    areas = np.intersect1d(area_labels(labels), found)
    return len(areas) > 1 and 2 * len(areas) >= len(found)


def are_joined(labels: np.ndarray, opaque: np.ndarray) -> bool:
    """Whether areas that touch lead from each value above 0 of labels (H, W) that covers areas to all others.

    opaque: where there is something, (H, W) bool; what is between two areas joins them, too.
    """
    _, parts = cv2.connectedComponents(opaque.astype(np.uint8))
    areas = np.isin(labels, area_labels(labels)) & (labels > 0)
    values, indices = np.unique(labels[areas], return_inverse=True)
    part, value = np.divmod(np.unique(parts[areas].astype(np.int64) * len(values) + indices), len(values))
    joined = value[:1]
    while len(more := np.unique(value[np.isin(part, part[np.isin(value, joined)])])) > len(joined):
        joined = more
    return len(joined) == len(values)


@dataclass(frozen=True, eq=False)
class Pixels:
    """The content of an image file.

    values    (H, W) of any number type, or (H, W, 3) uint8 RGB if there are colours
    alpha     (H, W) bool, True where the image is opaque, or, if it is nowhere, most so; None if it is alike everywhere
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
            has_16_bits = image.mode in _CUT_TO_8_BITS and _has_16_bits(image)
            is_grey = str(_layout(image)[0]).startswith("LA")
            upright = ImageOps.exif_transpose(image)  # as OpenCV reads the frames
            values, alpha = _from_palette(upright) if upright.mode == "P" else (_values(upright), None)
            if has_16_bits:
                values = _values_of_16_bits(data, image, path)
                values = values[..., [0, -1]] if is_grey else values  # OpenCV makes four channels of grey with alpha
    except UnidentifiedImageError:
        raise SourceError(f"cannot read {path}: {what_is_wrong(data)}") from None
    except UNREADABLE as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    if (count := held_images(data)) != 1:
        warn_of_more_images(path, count)
    has_colors = values.ndim == 3 and values.shape[2] > 2
    if values.ndim == 3 and values.shape[2] in (2, 4):
        opaque = _opaque(values[..., -1])
        alpha = None if opaque.all() else opaque
        values = values[..., :-1]
    if values.ndim == 3 and np.ptp(values, axis=2).max() <= (_TINT if is_lossy else 0):
        values = values[..., values.shape[2] // 2]  # The only channel of grey, or the green one of RGB.
    if alpha is not None and values.ndim == 2:
        # A shape of one colour on a transparent background is the object, whether it is black, grey or white.
        is_shape = not values[alpha].any() or (has_colors and np.ptp(values[alpha]) == 0)
        values = np.where(alpha, _WHITE if is_shape else values, 0).astype(values.dtype)
    if values.ndim == 3 and values.dtype == np.uint16:
        values = _in_8_bits(values if alpha is None else values * alpha[..., None], path)
    return Pixels(values, alpha, is_lossy)


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
    content = io.BytesIO()
    image.save(content, format="PNG")
    with writing(path):
        write_whole(path, content.getvalue())


def _is_lossless_webp(data: bytes) -> bool:
    return _LOSSLESS_WEBP in data[:64]


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB") if image.mode in _OTHER_COLORS else image)


def _layout(image: Image.Image) -> tuple[Any, ...]:
    """How an image that was opened, and not yet loaded, is stored in its file: Pillow's name first."""
    tiles = getattr(image, "tile", None)
    layout = tiles[0][3] if tiles else None
    return layout if isinstance(layout, tuple) and layout else (layout,)


def _has_16_bits(image: Image.Image) -> bool:
    """Whether an image that was opened, and not yet loaded, has 16 bits a channel in its file."""
    name, *more = _layout(image)
    return ";16" in str(name) or (image.format == "PPM" and any(number > _WHITE for number in more))


def _values_of_16_bits(data: bytes, image: Image.Image, path: Path | str) -> np.ndarray:
    """The values (H, W, channels) of an image of 16 bits a channel, all of which OpenCV reads."""
    values = decode(data, cv2.IMREAD_UNCHANGED)
    size = (image.height, image.width)
    is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1  # OpenCV does not heed it here.
    if is_turned or values is None or values.dtype != np.uint16 or values.shape[:2] != size:
        what = "turned by its metadata" if is_turned else "that cannot be read"
        raise SourceError(
            f"expected colours of 8 bits a channel, or grey of 8 or 16, in {path}; got 16 bits a channel, {what}"
        )
    order = [2, 1, 0, 3]
    return values[..., order[: values.shape[2]]] if values.ndim == 3 else values


def _in_8_bits(colors: np.ndarray, path: Path | str) -> np.ndarray:
    """Colours (H, W, 3) uint16 as uint8; raises SourceError if colours of areas are then alike, or black."""
    codes = colors @ np.array([2.0**32, 2.0**16, 1])
    areas, found = np.setdiff1d(area_labels(codes), 0), np.unique(codes[codes > 0])
    in_8_bits: np.ndarray = (colors >> 8).astype(np.uint8)
    kept = np.unique(in_8_bits[np.isin(codes, areas)], axis=0)
    if 2 * len(areas) >= len(found) and np.count_nonzero(kept.any(axis=1)) < len(areas):
        raise SourceError(
            f"expected colours of 8 bits a channel, or grey of 8 or 16, in {path}; "
            "got colours that differ in the lower of 16 bits"
        )
    return in_8_bits


def _opaque(alpha: np.ndarray) -> np.ndarray:
    """Where an image with this alpha (H, W) is opaque, (H, W) bool: at least half, or, if it is nowhere, most so.

    Tools that draw masks over a picture store them with the opacity at which they were drawn.
    """
    full = _OPAQUE * (np.iinfo(alpha.dtype).max + 1)
    low, high = int(alpha.min()), int(alpha.max())
    opaque: np.ndarray = alpha >= (full if high >= full else (low + high) / 2)
    return opaque


def _from_palette(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """The indices of an image with a palette, or its colours if the indices are not labels; and its alpha.

    Programs that convert colours to a palette sort them in some other order: the background may have any index, also
    if it is transparent, and each shade of a soft edge has one.
    """
    indices = np.asarray(image)
    colors = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    used = np.unique(indices)
    used = used[used < len(colors)]
    if len(used) == 0:
        return indices, None
    alpha, opaque = None, used
    if image.info.get("transparency") is not None:
        rgba = np.asarray(image.convert("RGBA"))
        alpha = _opaque(rgba[..., 3])
        opaque = np.intersect1d(used, indices[alpha])
    starts_black = not colors[0].any()
    has_clear_background = alpha is not None and len(opaque) < len(used) and 0 in opaque
    has_black_elsewhere = (colors[opaque] == 0).all(axis=1).any()
    if not starts_black and has_clear_background:
        return rgba, None
    if (not starts_black and has_black_elsewhere) or (starts_black and _are_shades(indices, colors, opaque)):
        return np.asarray(image.convert("RGB")), None
    return indices, alpha if alpha is not None and alpha.any() and not alpha.all() else None


def _are_shades(indices: np.ndarray, colors: np.ndarray, used: np.ndarray) -> bool:
    """Whether a palette's colours (n, 3), of which those at `used` occur, are shades of one hue, some only at edges."""
    shown = [(label, tuple(colors[label].tolist())) for label in used.tolist() if label]
    is_labels = all(color in ((label,) * 3, voc_color(label), object_color(label)) for label, color in shown)
    if is_labels or len(shown) < 3 or np.isin(used, area_labels(indices)).all():
        return False
    strong = colors[used][colors[used].max(axis=1) >= _DARK].astype(np.float32)
    return len(strong) > 0 and bool(np.ptp(strong / strong.max(axis=1, keepdims=True), axis=0).max() <= _SAME_HUE)
