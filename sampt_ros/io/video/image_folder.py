"""Frames from the images in a folder, or from those that match a pattern."""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.image_files import read_image
from sampt_ros.io.utf8_names import utf8_name
from sampt_ros.io.video.file_order import in_order, other_order
from sampt_ros.io.video.frame_source import FALLBACK_FPS, NumberedSource

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
# Beside those above, these are often something else: previews, depth, masks.
FURTHER_SUFFIXES = (
    *(".apng", ".avif", ".dib", ".gif", ".jfif", ".jp2", ".jpe", ".pbm", ".pgm", ".pnm", ".ras", ".sr"),
)
# Images that are not read, which is told.
_OTHER_IMAGES = (
    *FURTHER_SUFFIXES,
    *(".arw", ".avifs", ".cr2", ".cr3", ".dng", ".exr", ".heic", ".heif", ".j2k", ".jxl", ".nef", ".pam", ".pcx"),
    *(".psd", ".tga"),
)

_log = logging.getLogger(__name__)

_NUMBERED = re.compile(r"%0?(\d*)d")  # As in FFmpeg and OpenCV, %05d in a file name stands for a number of 5 digits.
_NUMBER = re.compile(r"\d+")
_LAST_NUMBER = re.compile(r"(.*?)(\d+)(\D*)")
_MAX_OTHER_SIZE = 5  # Images of another size in a row that are an error, rather than being skipped.


class ImageFolder(NumberedSource):
    """Images of a folder, in the order given.

    Unreadable images, and single ones of another size, are skipped, counted and reported in a warning. Of files with
    several images each, such as TIFFs with pages, the first image is read, which a warning says once.
    """

    def __init__(self, folder: Path, files: Sequence[Path], warn_of_several_kinds: bool = False) -> None:
        """folder: the source given by the user, possibly a pattern, for messages."""
        self.fps = FALLBACK_FPS
        self.names = [path.stem for path in files]
        self._files = files
        self._grey = GreyRange()  # Shared by all iterations, so that 16-bit images look the same when read again.
        self._reported: set[Path] = set()  # Unreadable files that have been reported.
        self._has_told_more = False  # Whether a file of several images has been reported.
        self.length = len(self._files)
        if warn_of_several_kinds:
            _warn_of_several_kinds(folder, files)
        _warn_of_gaps(folder, files)
        if swapped := other_order(files):
            _log.warning(
                "%s: the names do not tell for certain which order is meant; %s is taken to come before %s; as many "
                "digits after the point in all names would leave no doubt",
                folder,
                *swapped,
            )
        self._first_failure = ""  # Why the first unreadable image cannot be read.
        first = next(self._readable(), None)
        if first is None:
            got = f"{self.length} unreadable; {self._first_failure}"
            raise SourceError(f"expected at least one readable image in {str(folder)!r}; got {got}")
        self.size = first[1].shape[:2]

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        self.skipped = other_size = 0
        for number, image in self._readable(first, warn=True):
            other_size = other_size + 1 if image.shape[:2] != self.size else 0
            if not other_size:
                yield number, image
                continue
            (height, width), got = self.size, f"{image.shape[1]}x{image.shape[0]} in {self._files[number]}"
            if other_size == _MAX_OTHER_SIZE:
                raise SourceError(f"expected images of one size, {width}x{height}; got {got}, and those before it")
            self._skip(number, f"expected an image of {width}x{height} like the first one; got {got}", warn=True)

    def _readable(self, first: int = 0, warn: bool = False) -> Iterator[tuple[int, np.ndarray]]:
        for number, path in enumerate(self._files[first:], start=first):
            try:
                image = read_image(path, self._grey, self._tell_more)
            except SourceError as error:
                self._skip(number, str(error), warn)
            else:
                yield number, image

    def _tell_more(self, path: Path, count: int) -> None:
        if not self._has_told_more:
            self._has_told_more = True
            _log.warning(
                "%s holds %s images: the first one is read, as of any other such file beside it; each by itself is "
                "a source of all its images",
                path,
                count or "several",
            )

    def _skip(self, number: int, reason: str, warn: bool) -> None:
        self.skipped += 1
        self._first_failure = self._first_failure or reason
        if warn and self._files[number] not in self._reported:
            self._reported.add(self._files[number])
            _log.warning("%s; skipped", reason)


def image_files(folder: Path) -> list[Path]:
    """The files of IMAGE_SUFFIXES in a folder, as `in_order`; raises SourceError if there are none.

    Images of other kinds are counted in a warning.
    """
    return _images(folder, IMAGE_SUFFIXES)


def frame_files(folder: Path) -> list[Path]:
    """The frames in a folder: as `image_files`, and those of FURTHER_SUFFIXES that belong to them.

    These are all of them if the folder has no others; beside others, those that are named like them, by other numbers.
    """
    return _images(folder, IMAGE_SUFFIXES + FURTHER_SUFFIXES)


def _images(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    if not folder.is_dir():
        raise SourceError(f"expected an image folder; there is no {str(folder)!r}")
    files = sorted(path for path in folder.iterdir() if _is_visible_file(path))
    found = _of_one_sequence([path for path in files if path.suffix.lower() in suffixes])
    read = set(found)
    others = _other_images([path for path in files if path not in read])
    if not found:
        expected = ", ".join(sorted(suffixes))
        raise SourceError(f"expected images ({expected}) in {str(folder)!r}; got {others or 'none'}")
    if others:
        further = "" if suffixes == IMAGE_SUFFIXES else ", and others that go on with their numbers"
        expected = ", ".join(IMAGE_SUFFIXES) + further
        _log.warning("%s: images that are not read: %s; expected %s", folder, others, expected)
    return in_order(found)


def _of_one_sequence(files: Sequence[Path]) -> list[Path]:
    """Images without those of FURTHER_SUFFIXES that do not continue the numbers of the others, if there are others."""
    ordinary = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
    if not ordinary:
        return list(files)
    counted = _numbered(ordinary)
    further = _numbered(path for path in files if path.suffix.lower() not in IMAGE_SUFFIXES)
    return ordinary + [
        path for name, others in further.items() if _goes_on(counted[name], others) for _, path in others
    ]


def _numbered(files: Iterable[Path]) -> defaultdict[tuple[str, str], list[tuple[int, Path]]]:
    """The files whose names have a number, with their last one, by what is before and behind it."""
    found: defaultdict[tuple[str, str], list[tuple[int, Path]]] = defaultdict(list)
    for path in files:
        if match := _LAST_NUMBER.fullmatch(path.stem):
            found[match[1], match[3]].append((int(match[2]), path))
    return found


def _goes_on(files: Sequence[tuple[int, Path]], others: Sequence[tuple[int, Path]]) -> bool:
    """Whether files, two at least, and others count on together: in steps of one width, without a number twice."""
    numbers = sorted(number for number, _ in (*files, *others))
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    return len(files) > 1 and len(steps) == 1 and 0 not in steps


def _other_images(files: Sequence[Path]) -> str:
    """How many images of each kind are among files that are not read, for people; empty if there are none.

    Of files without a suffix, the first one decides by its content.
    """
    kinds: dict[str, list[Path]] = {}
    for path in files:
        kinds.setdefault(path.suffix.lower(), []).append(path)
    others = {
        suffix: len(paths)
        for suffix, paths in kinds.items()
        if suffix in _OTHER_IMAGES or (not suffix and _has_reader(paths[0]))
    }
    return ", ".join(f"{count} {suffix or 'without a suffix'}" for suffix, count in others.items())


def _has_reader(path: Path) -> bool:
    """Whether OpenCV takes a file for an image by its content."""
    with utf8_name(path) as name:
        return bool(cv2.haveImageReader(name))


def is_pattern(name: str) -> bool:
    """Whether a file's name is a pattern of names, such as *.png or %05d.png."""
    return bool(re.search(r"[*?[]", name) or _NUMBERED.search(name))


def matching_files(pattern: Path) -> list[Path]:
    """The files whose names match a pattern with *, ?, [...] or %d, as `in_order`; raises SourceError for none.

    Hidden files, such as those that macOS leaves beside others, match only a pattern that begins with a dot.
    """
    folder = pattern.parent
    if not folder.is_dir():
        raise SourceError(f"expected an image folder; there is no {str(folder)!r}")
    if number := _NUMBERED.search(pattern.name):
        digits = rf"\d{{{number[1]},}}" if number[1] else r"\d+"
        name = re.escape(pattern.name[: number.start()]) + digits + re.escape(pattern.name[number.end() :])
        found = [path for path in folder.iterdir() if re.fullmatch(name, path.name)]
    else:
        found = list(folder.glob(pattern.name))
    if not pattern.name.startswith("."):
        found = [path for path in found if _is_visible_file(path)]
    if not found:
        raise SourceError(f"expected files whose names match {str(pattern)!r}; got none")
    return in_order(found)


def _is_visible_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def _warn_of_gaps(folder: Path, files: Sequence[Path]) -> None:
    """Warn of gaps in the files' numbers, unless these are irregular, such as times."""
    groups = list(_numbered(files).values())
    if len(groups) != 1 or len(groups[0]) < len(files):
        return
    steps = [after - before for (before, _), (after, _) in itertools.pairwise(groups[0])]
    step = min(steps, default=0)
    if step <= 0 or 2 * steps.count(step) < len(steps) or any(each % step for each in steps):
        return
    if missing := sum(steps) // step - len(steps):
        before = next(path.name for path, each in zip(files, steps) if each > step)
        _log.warning(
            "%s: %d images are missing by their numbers, the first after %s; frames are counted without them",
            folder,
            missing,
            before,
        )


def _warn_of_several_kinds(folder: Path, files: Sequence[Path]) -> None:
    """Warn of a folder with several kinds of images, such as colour and depth, judged by the names without numbers."""
    kinds = Counter(_NUMBER.sub("*", path.stem) + path.suffix for path in files)
    if len(kinds) > 1 and max(kinds.values()) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
        _log.warning(
            "%s holds images of several kinds (%s), and all are taken for one sequence; '%s' takes one kind",
            folder,
            counts,
            folder / kinds.most_common(1)[0][0],
        )
