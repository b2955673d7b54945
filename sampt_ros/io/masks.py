"""Reads masks from image files of many kinds: black and white, soft-edged, JPEG, labels, colours, cut-outs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.label_images import (
    COUNT,
    HIGHEST,
    VOID,
    Pixels,
    are_flat,
    are_joined,
    area_labels,
    decode_pixels,
    object_color,
    read_pixels,
    voc_color,
    whole_numbers,
)
from sampt_ros.io.video import image_files

_log = logging.getLogger(__name__)

FIRST_OBJECT = 1  # Id of the object in a mask without numbers.

_FULL = (1, 255, 65535)  # Values that mean "on the object" in masks of different depths.
_NOISE = 0.125  # Compression changes 0 and the full value by up to this fraction of the full value.
_HUE_NOISE = 0.2  # Compression changes the channels of one hue by up to this fraction of the strongest channel.
# If 255 or 65535 occurs too, which is then void, lower values are labels; higher ones may be shades of grey.
_MAX_LABEL_BESIDE_VOID = {VOID: 64, HIGHEST: 8192}
_MANY_LABELS = 16  # More labels are accepted only if most of them cover areas.
_NEXT = np.ones((3, 3), np.uint8)  # A pixel and those next to it.


def read_masks(path: Path) -> dict[int, np.ndarray]:
    """Read the objects of an image file, by id, each a mask (H, W) bool.

    - black and white, also with soft edges or as JPEG: object 1 is where it is lighter than middle grey
    - labels, grey or palette: each label is an object id; with 8 bits 255 beside lower labels is void, and with 16 bits
      65535, while 255 beside others is an id like these
    - colours: a single one on black is object 1, also with soft edges or as JPEG; several are objects if they are
      colours of DAVIS's palette; others, each in an area of its own, are refused, however alike they are
    - a cut-out with a transparent background: object 1 is where it is opaque, or most so if it is so nowhere;
      in flat colours it is one if the areas of all its colours touch, which is logged, else refused as several objects

    Raises SourceError, saying what was found, for any other file.
    """
    return _some_masks(read_pixels(path), path)


def decode_masks(data: bytes, name: str) -> dict[int, np.ndarray]:
    """Decode the content of an image file as `read_masks` does; name: its name in error messages."""
    return _some_masks(decode_pixels(data, name), name)


def read_annotation(path: Path, in_labels: Callable[[], bool]) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Read a file of a folder: the objects, by id, each a mask (H, W) bool, and where void is, (H, W) bool.

    in_labels  whether files of the folder show labels (see `shows_labels`), asked only if it matters: white, or a
               colour, without others is object 1 if none does, and void, or the colour's label, if one does

    A mask without labels that is empty has an empty object 1. Raises SourceError as `read_masks` does.
    """
    content = _content(read_pixels(path), path)
    return content.objects(content.depends and in_labels())


def shows_labels(paths: Iterable[Path]) -> bool:
    """Whether the files of a folder show labels: one has ids other than white, or several colours.

    The files are read in order, up to the first that is certain. Raises SourceError for one that cannot be read.
    """
    evidence = _Evidence()
    return any(evidence.add(_content(read_pixels(path), path)) for path in paths) or evidence.shows_labels


def read_first_masks(folder: Path, frame_names: Sequence[str] = ()) -> dict[int, tuple[int, np.ndarray]]:
    """For each object in a folder of masks, the number of the first frame that shows it, and its mask (H, W) bool.

    Each file has the masks of one frame, as for `read_annotation`, or none. Frames may lack a file.

    frame_names  names of the frames, in order, without the suffix; each file is named like its frame. If empty, a file
                 is named by the number of its frame, counted from 0: 00012.png.

    Raises SourceError for a file that cannot be read or that matches no frame, and for a folder without masks.
    """
    files = files_by_frame(folder, frame_names)
    evidence = _Evidence()
    # Each file is read once: both meanings are kept until the last file says which one holds.
    first: dict[bool, dict[int, tuple[int, np.ndarray]]] = {False: {}, True: {}}
    unclear: SourceError | None = None
    for number, path in files.items():
        content = _content(read_pixels(path), path)
        evidence.add(content)
        unclear = unclear or content.unclear
        alone = {} if content.unclear else content.objects(in_labels=False)[0]
        among = content.objects(in_labels=True)[0] if content.depends else alone
        for in_labels, masks in ((False, alone), (True, among)):
            for object_id, mask in masks.items():
                if mask.any():
                    first[in_labels].setdefault(object_id, (number, mask))
    if unclear and not evidence.shows_labels:
        raise unclear
    found = first[evidence.shows_labels]
    if not found:
        raise SourceError(f"expected an object in one of the masks in {folder}; got {len(files)} masks without one")
    return found


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
        mask = mask if pixels.alpha is None else mask & pixels.alpha
        if not mask.any():
            raise
        return mask
    union: np.ndarray = np.any(list(masks.values()), axis=0)
    return union


@dataclass(frozen=True, eq=False)
class _Content:
    """What the values of a file mean, by itself and among files that show labels.

    labels       (H, W) uint8 or uint16, the ids of objects; a mask without labels is object 1
    void         the label of void pixels
    mask         (H, W) bool, object 1 if no file of the folder shows labels; None: `labels` hold in any case
    unclear      what to raise if no file of the folder shows labels
    has_numbers  whether the labels are numbers, or known colours, in the file
    """

    labels: np.ndarray
    void: int = VOID
    mask: np.ndarray | None = None
    unclear: SourceError | None = None
    has_numbers: bool = True

    @classmethod
    def of_mask(cls, mask: np.ndarray) -> _Content:
        """The content of a file that is a mask (H, W) bool in any folder."""
        return cls(np.where(mask, np.uint8(FIRST_OBJECT), np.uint8(0)), has_numbers=False)

    @property
    def depends(self) -> bool:
        """Whether the other files of the folder decide what it means."""
        return self.mask is not None or self.unclear is not None

    def objects(self, in_labels: bool) -> tuple[dict[int, np.ndarray], np.ndarray]:
        """The objects, by id, and where void is, (H, W) bool each; raises SourceError if that is unclear."""
        if self.unclear is not None and not in_labels:
            raise self.unclear
        if self.mask is not None and not in_labels:
            return {FIRST_OBJECT: self.mask}, np.zeros(self.mask.shape, bool)
        ids = [int(label) for label in np.unique(self.labels) if label not in (0, self.void)]
        return {label: self.labels == label for label in ids}, self.labels == self.void


class _Evidence:
    """Gathers from the files of a folder whether they show labels.

    is_certain  whether one shows them for certain, whatever the others are
    """

    def __init__(self) -> None:
        self.is_certain = False
        self._has_thin = False  # Labels in lines, which may also be the faint edge of a mask whose rest is not seen.
        self._has_masks = False  # Masks without numbers.
        self._colors: set[int] = set()  # Labels of the colours that are alone in a file.

    @property
    def shows_labels(self) -> bool:
        """Whether the files taken into account show labels."""
        return self.is_certain or (self._has_thin and not self._has_masks)

    def add(self, content: _Content) -> bool:
        """Take a file's content into account; returns whether labels are certain."""
        if self.is_certain:
            return True
        if not content.has_numbers:
            self._has_masks = True
        elif not content.depends:
            areas = np.setdiff1d(area_labels(content.labels), (0, content.void))
            self.is_certain |= len(areas) > 0 or bool((content.labels == content.void).any())
            self._has_thin = True
        elif content.unclear is None and not (content.labels == content.void).any():
            self._colors.update(np.unique(content.labels[content.labels > 0]).tolist())
            self.is_certain |= len(self._colors) > 1
        return self.is_certain


def _some_masks(pixels: Pixels, path: Path | str) -> dict[int, np.ndarray]:
    masks, _ = _content(pixels, path).objects(in_labels=False)
    found = {object_id: mask for object_id, mask in masks.items() if mask.any()}
    if not found:
        raise SourceError(f"expected an object in {path}; got a mask without one")
    return found


def _content(pixels: Pixels, path: Path | str) -> _Content:
    """What an image file shows; raises SourceError if that is neither labels nor a mask."""
    return _by_color(pixels, path) if pixels.has_colors else _by_value(pixels, path)


def _by_value(pixels: Pixels, path: Path | str) -> _Content:
    values = pixels.values
    if values.dtype.kind == "f" and values.min() >= 0 and values.max() <= 1:
        if values.any() and np.isin(values, (0, 1)).all():
            return _Content.of_mask(values > 0)
        values = np.rint(values * _FULL[1])
    labels = whole_numbers(values, path)
    found = np.unique(labels[labels > 0])
    has_16_bits = values.dtype.kind in "iu" and values.dtype.itemsize > 1 and not _is_soft_in_8_bits(labels, found)
    full = HIGHEST if has_16_bits else next(full for full in _FULL if not len(found) or found[-1] <= full)
    void = HIGHEST if full == HIGHEST else VOID  # in 16 bits, 255 is a label like others
    if values.dtype == bool or (pixels.is_lossy and found.tolist() == [full]):
        return _Content.of_mask(labels > 0)
    if len(found) == 0 or found.tolist() in ([void], [_FULL[1]]):  # Masks of 0 and 255 are stored with 16 bits, too.
        return _Content(labels, void, mask=labels > 0)
    if len(found) == 1:
        return _Content(labels, void)
    content = None if found[-1] == full else _ids(pixels, labels, found, void)
    if content is None and _has_white(pixels, labels, full):
        content = _by_shade(pixels, labels, found, full)
    if content is not None:
        return content
    if pixels.alpha is not None and (not are_flat(labels) or _is_one_thing(labels, pixels.alpha, path)):
        return _Content.of_mask(pixels.alpha)
    error = _unclear(f"{len(found)} different values from {found[0]} to {found[-1]}", path)
    ids = found[found != void]
    are_few = len(ids) <= _MANY_LABELS or ids[-1] < _MAX_LABEL_BESIDE_VOID[void]
    if pixels.is_lossy or not are_few:
        raise error
    return _Content(labels, void, unclear=error)


def _is_soft_in_8_bits(labels: np.ndarray, found: np.ndarray) -> bool:
    """Whether values (n,) up to 255 are a mask with soft edges of 8 bits, which was stored with more."""
    full = _FULL[1]
    shades = _shades(found, full)
    return (
        len(shades) > 0
        and _MAX_LABEL_BESIDE_VOID[VOID] <= shades[-1]
        and found[-1] == full
        and not np.isin(shades, area_labels(labels)).any()
    )


def _shades(found: np.ndarray, full: int) -> np.ndarray:
    """Of values (n,), those between black and white by more than compression changes."""
    return found[(found > _NOISE * full) & (found < (1 - _NOISE) * full)]


def _has_white(pixels: Pixels, labels: np.ndarray, full: int) -> bool:
    """Whether the lightest value of a mask is white: nearly so if it was compressed, or if soft edges meet there."""
    lightest = labels.max()
    if lightest == full or lightest <= (1 - _NOISE) * full:
        return bool(lightest == full)
    beside = cv2.dilate(np.uint8(labels > full / 2), _NEXT) > 0
    return pixels.is_lossy or not (labels[beside] <= _NOISE * full).any()


def _ids(pixels: Pixels, labels: np.ndarray, ids: np.ndarray, void: int) -> _Content | None:
    """The content of a file with these values (n,), all below white; None if it is unclear."""
    has_areas = 2 * np.isin(ids, area_labels(labels)).sum() >= len(ids)
    return _Content(labels, void) if not pixels.is_lossy and (len(ids) <= _MANY_LABELS or has_areas) else None


def _by_shade(pixels: Pixels, labels: np.ndarray, found: np.ndarray, full: int) -> _Content | None:
    """The content of a file with these values (n,) and white, which is the object, or void; None if it is unclear."""
    areas = area_labels(labels)
    below = found[:-1]
    has_areas = bool(np.isin(below, areas).any())
    may_be_labels = not pixels.is_lossy and full in _MAX_LABEL_BESIDE_VOID and below[-1] < _MAX_LABEL_BESIDE_VOID[full]
    if may_be_labels and has_areas:
        return _Content(labels, full)
    if may_be_labels and len(below) <= _MANY_LABELS:
        # Lines: of thin objects within void, or soft edges, which lie between white and black.
        shown = np.isin(labels, below)
        is_edge = (cv2.erode(labels, _NEXT) == 0) & (cv2.dilate(labels, _NEXT) == full)
        is_mask = 2 * np.count_nonzero(is_edge & shown) >= np.count_nonzero(shown)
        return _Content(labels, full, mask=labels > full / 2 if is_mask else None)
    shades = _shades(found, full)
    # In a mask with soft edges, shades of grey cover no areas, and not most of the image.
    is_soft = not np.isin(shades, areas).any() and np.isin(labels, shades).mean() < 0.5
    # The noise of compression lies near black, too, and not all of it covers areas.
    is_noise = pixels.is_lossy or len(shades) > 0 or below[0] < _NOISE * full or not np.isin(below, areas).all()
    return _Content.of_mask(labels > full / 2) if is_soft and is_noise else None


def _by_color(pixels: Pixels, path: Path | str) -> _Content:
    codes = pixels.values.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1])
    if pixels.alpha is not None:
        codes = np.where(pixels.alpha, codes, 0)
    found = np.unique(codes[codes > 0])
    known = _palette()
    is_known = all(int(code) in known for code in found)
    if len(found) <= 1 and (pixels.is_lossy or not is_known):
        return _Content.of_mask(codes > 0)
    if is_known:
        labels = np.zeros(codes.shape, np.uint8)
        for code in found:
            labels[codes == code] = known[int(code)]
        return _Content(labels, mask=codes > 0 if len(found) <= 1 else None)
    # Without compression, colours of areas are labels, however alike they are; those of soft edges are in no areas.
    codes = codes.astype(np.float64)
    are_labels = not pixels.is_lossy and are_flat(codes)
    if pixels.alpha is not None and (not are_labels or _is_one_thing(codes, pixels.alpha, path)):
        return _Content.of_mask(pixels.alpha)
    strength = None if are_labels else _of_one_hue(pixels.values)
    if strength is not None:
        return _by_value(Pixels(strength, None, is_lossy=True), path)
    raise _unclear(f"{len(found)} different colours", path)


def _is_one_thing(labels: np.ndarray, opaque: np.ndarray, path: Path | str) -> bool:
    """Whether flat areas of labels (H, W) are one cut-out, as they touch; objects may touch, too, so it is logged."""
    if is_one := are_joined(labels, opaque):
        _log.warning("%s: different colours that touch are taken for one cut-out, object 1", path)
    return is_one


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
    for label in range(1, VOID + 1):
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
