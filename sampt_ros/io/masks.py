"""Reads masks from image files of many kinds: black and white, soft-edged, JPEG, labels, colours, cut-outs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.label_images import (
    COUNT,
    Pixels,
    area_labels,
    decode_pixels,
    object_color,
    read_pixels,
    voc_color,
    whole_numbers,
)
from sampt_ros.io.video import image_files

FIRST_OBJECT = 1  # Id of the object in a mask without numbers.

_FULL = (1, 255, 65535)  # Values that mean "on the object" in masks of different depths.
_NOISE = 0.125  # Compression changes 0 and the full value by up to this fraction of the full value.
_HUE_NOISE = 0.2  # Compression changes the channels of one hue by up to this fraction of the strongest channel.
_VOID = 255  # In label images (DAVIS, VOC), void pixels, which belong to no object.
# If 255 or 65535 occurs too, which is then void, lower values are labels; higher ones may be shades of grey.
_MAX_LABEL_BESIDE_VOID = {_VOID: 64, 65535: 8192}
_MANY_LABELS = 16  # More labels are accepted only if most of them cover areas.


def read_masks(path: Path) -> dict[int, np.ndarray]:
    """Read the objects of an image file, by id, each a mask (H, W) bool.

    - black and white, also with soft edges or as JPEG: object 1 is where it is lighter than middle grey
    - labels, grey or palette: each label is an object id; 255 beside lower labels is void, and so is 65535 in 16 bits
    - colours: a single one on black is object 1, also with soft edges or as JPEG; several are objects if they are
      colours of DAVIS's palette
    - a cut-out with a transparent background: object 1 is where it is opaque

    Raises SourceError, saying what was found, for any other file.
    """
    return _some_masks(read_pixels(path), path)


def decode_masks(data: bytes, name: str) -> dict[int, np.ndarray]:
    """Decode the content of an image file as `read_masks` does; name: its name in error messages."""
    return _some_masks(decode_pixels(data, name), name)


def read_first_masks(folder: Path, frame_names: Sequence[str] = ()) -> dict[int, tuple[int, np.ndarray]]:
    """For each object in a folder of masks, the number of the first frame that shows it, and its mask (H, W) bool.

    Each file has the masks of one frame, as for `read_masks`, or none. Frames may lack a file.

    frame_names  names of the frames, in order, without the suffix; each file is named like its frame. If empty, a file
                 is named by the number of its frame, counted from 0: 00012.png.

    Raises SourceError for a file that cannot be read or that matches no frame, and for a folder without masks.
    """
    files = files_by_frame(folder, frame_names)
    first: dict[int, tuple[int, np.ndarray]] = {}
    for number, path in files.items():
        for object_id, mask in _masks(read_pixels(path), path).items():
            first.setdefault(object_id, (number, mask))
    if not first:
        raise SourceError(f"expected an object in one of the masks in {folder}; got {len(files)} masks without one")
    return first


def files_by_frame(folder: Path, frame_names: Sequence[str] = ()) -> dict[int, Path]:
    """The image files of a folder by the number of their frame, in order.

    frame_names  as for `read_first_masks`

    Raises SourceError for a file that matches no frame, for two files of one frame, and for a folder without images.
    """
    numbers = {name: number for number, name in enumerate(frame_names)}
    found: dict[int, Path] = {}
    for path in image_files(folder):
        other = found.setdefault(_frame_number(path, numbers), path)
        if other is not path:
            raise SourceError(f"expected one mask for each frame; got {other} and {path.name}")
    return dict(sorted(found.items()))


def _frame_number(path: Path, numbers: Mapping[str, int]) -> int:
    if not numbers and path.stem.isdecimal():
        return int(path.stem)
    if path.stem not in numbers:
        expected = f"a frame, such as {next(iter(numbers))}.png" if numbers else "a frame's number, such as 00012.png"
        raise SourceError(f"expected masks with the name of {expected}; got {path}")
    return numbers[path.stem]


def read_mask(path: Path) -> np.ndarray:
    """Read all objects of an image file as one mask (H, W) bool; if `read_masks` fails, everything that is not black.

    Raises SourceError if the file cannot be read or is black.
    """
    pixels = read_pixels(path)
    try:
        masks = _some_masks(pixels, path)
    except SourceError:
        values = pixels.values.max(axis=2) if pixels.has_colors else pixels.values
        mask: np.ndarray = values > (_NOISE * 255 if pixels.is_lossy else 0)
        if not mask.any():
            raise
        return mask
    union: np.ndarray = np.any(list(masks.values()), axis=0)
    return union


def label_values(path: Path) -> np.ndarray:
    """The labels (H, W) uint8 or uint16 in an annotation: those in the file, or what `read_masks` makes of it.

    That is asked where labels cannot be in the file as numbers: in colours, after lossy compression, and with soft
    edges, where 255 is the object and not void. There may be none. Raises SourceError as `read_masks` does.
    """
    pixels = read_pixels(path)
    if not (pixels.has_colors or pixels.is_lossy):
        labels = whole_numbers(pixels.values, path)
        shades = np.setdiff1d(labels, (0, _VOID))
        if not _is_soft(labels, shades):
            return labels
    labels = np.zeros(pixels.values.shape[:2], np.uint16)
    for object_id, mask in _masks(pixels, path).items():
        labels[mask] = object_id
    return labels


def _is_soft(labels: np.ndarray, shades: np.ndarray) -> bool:
    """Whether values (n,) between black and white are the shades of soft edges, and not labels beside void."""
    return (
        len(shades) > 0
        and _MAX_LABEL_BESIDE_VOID[_VOID] <= shades[-1] < _VOID == labels.max()
        and not np.isin(shades, area_labels(labels)).any()
    )


def _some_masks(pixels: Pixels, path: Path | str) -> dict[int, np.ndarray]:
    masks = _masks(pixels, path)
    if not masks:
        raise SourceError(f"expected an object in {path}; got a mask without one")
    return masks


def _masks(pixels: Pixels, path: Path | str) -> dict[int, np.ndarray]:
    """The objects in an image, by id; there may be none."""
    return _by_color(pixels, path) if pixels.has_colors else _by_value(pixels, path)


def _by_value(pixels: Pixels, path: Path | str) -> dict[int, np.ndarray]:
    values = pixels.values
    if values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:
        values = np.rint(values * _FULL[1])
    labels = whole_numbers(values, path)
    found = np.unique(labels[labels > 0])
    if len(found) == 0:
        return {}
    full = next(full for full in _FULL if found[-1] <= full)
    if len(found) == 1:
        return {FIRST_OBJECT if found[0] == full else int(found[0]): labels > 0}
    areas = area_labels(labels)
    has_white = found[-1] == full or (pixels.is_lossy and found[-1] > (1 - _NOISE) * full)
    if not has_white:
        ids = found
        is_clear = not pixels.is_lossy and (len(ids) <= _MANY_LABELS or 2 * np.isin(ids, areas).sum() >= len(ids))
    elif (
        found[-1] in _MAX_LABEL_BESIDE_VOID
        and found[-2] < _MAX_LABEL_BESIDE_VOID[int(found[-1])]
        and np.isin(found[:-1], areas).any()
        and not pixels.is_lossy
    ):
        ids, is_clear = found[:-1], True
    else:
        shades = found[(found > _NOISE * full) & (found < (1 - _NOISE) * full)]
        # In a mask with soft edges, shades of grey cover no areas, and not most of the image.
        is_edge = np.isin(labels, shades)
        ids, is_clear = found[:0], not np.isin(shades, areas).any() and is_edge.mean() < 0.5
    if not is_clear and pixels.alpha is not None:
        return {FIRST_OBJECT: pixels.alpha}
    if not is_clear:
        raise _unclear(f"{len(found)} different values from {found[0]} to {found[-1]}", path)
    return {int(label): labels == label for label in ids} or {FIRST_OBJECT: labels > full / 2}


def _by_color(pixels: Pixels, path: Path | str) -> dict[int, np.ndarray]:
    codes = pixels.values.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    if pixels.alpha is not None:
        codes = np.where(pixels.alpha, codes, 0)
    found = np.unique(codes[codes > 0])
    if len(found) == 1:
        return {FIRST_OBJECT: codes > 0}
    known = _palette()
    ids = [known.get(int(code)) for code in found]
    if None not in ids:
        return {label: codes == code for label, code in zip(ids, found) if label is not None and label != _VOID}
    if pixels.alpha is not None:
        return {FIRST_OBJECT: pixels.alpha}
    strength = _of_one_hue(pixels.values)
    if strength is not None:
        return _by_value(Pixels(strength, None, is_lossy=True), path)
    raise _unclear(f"{len(found)} different colours", path)


def _of_one_hue(colors: np.ndarray) -> np.ndarray | None:
    """The intensity (H, W) uint8 of each pixel if there is a single hue on black; None if there are several hues."""
    strength = colors.max(axis=2).astype(np.float32)
    strength *= _FULL[1] / strength.max()
    strong = strength > _FULL[1] / 2
    inner = cv2.erode(strong.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0  # JPEG blurs hues at edges
    strong = inner if inner.any() else strong
    hues = colors[strong] / colors[strong].max(axis=1, keepdims=True)
    low, high = np.percentile(hues, (2, 98), axis=0)
    return strength.astype(np.uint8) if (high - low).max() <= _HUE_NOISE else None


@cache
def _palette() -> dict[int, int]:
    """The label of each colour 0xRRGGBB in the palettes of DAVIS, VOC and this package."""
    known = {}
    for label in range(1, _VOID + 1):
        red, green, blue = voc_color(label)
        known[red << 16 | green << 8 | blue] = label
    for label in range(COUNT, 0, -1):
        red, green, blue = object_color(label)
        known[red << 16 | green << 8 | blue] = label
    return known


def _unclear(found: str, path: Path | str) -> SourceError:
    expected = f"expected a mask (black and white), or a label image (an id per object, not as JPEG), in {path}"
    advice = f"; to take all that is not black for one object: {path},1" if isinstance(path, Path) else ""
    return SourceError(f"{expected}; got {found}{advice}")
