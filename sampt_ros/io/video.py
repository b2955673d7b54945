"""Frames from a video file, an image folder or a camera, behind one interface."""

from __future__ import annotations

import itertools
import logging
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.grey_range import GreyRange

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
FALLBACK_FPS = 30.0  # Of image folders, and of sources that do not know their rate.

_log = logging.getLogger(__name__)

_NUMBERED = re.compile(r"%0?(\d*)d")  # FFmpeg and OpenCV take %05d in a file name for a number of 5 digits.
_COUNT_TOLERANCE = 0.05  # A warning is given if a larger share of the frames that a video's header claims is missing.


class FrameSource(ABC):
    """A sequence of frames (H, W, 3) uint8 RGB, all of one size.

    Iterating begins at the first frame again (a camera: at the next one).

        with open_source("cups.mp4") as source:
            for image in source:
                ...

    fps      frames per second
    size     (height, width) in pixels
    length   number of frames, None for a camera; that of a video comes from its header, and may be off a little
    skipped  frames that could not be read since the iteration began
    names    of the frames if they are files, in order, without the suffix; else empty
    is_live  whether a frame can be had only once, as from a camera
    """

    fps: float
    size: tuple[int, int]
    length: int | None = None
    skipped: int = 0
    names: Sequence[str] = ()
    is_live: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield every frame; raises SourceError where the source turns out unusable."""

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yield every frame from number `first` on, with its number.

        Numbers count from 0. A frame that cannot be read keeps its number, so that the later ones do not move up.
        """
        return itertools.islice(enumerate(self), first, None)

    def close(self) -> None:  # noqa: B027 - most sources hold nothing
        """Release the device; only a camera holds one."""

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_source(source: str) -> FrameSource:
    """The frames of `source`: the path of a video file or an image folder, or a camera's number such as "0".

    Of the images in a folder a pattern of names takes some: "frames/*-color.jpg", "frames/%05d.png".
    Raises SourceError if it is missing, empty or unreadable.
    """
    path = Path(source)
    if path.is_dir():
        return ImageFolder(path, image_files(path), warn_of_several_kinds=True)
    if path.is_file():
        return _video_file(path)
    if re.fullmatch(r"\d{1,3}", source):
        return Camera(int(source))
    if re.search(r"[*?[]", path.name) or _NUMBERED.search(path.name):
        return ImageFolder(path, matching_files(path))
    raise SourceError(
        f"expected a video file, an image folder, a pattern of image files or a camera's number; there is no {source!r}"
    )


def natural_key(path: Path) -> list[tuple[int, int | str]]:
    """A sorting key that puts 2.jpg before 10.jpg."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(part)) if part.isdigit() else (1, part) for part in parts]


def image_files(folder: Path) -> list[Path]:
    """The image files in a folder, in natural order; raises SourceError if there are none."""
    if not folder.is_dir():
        raise SourceError(f"expected an image folder; there is no {str(folder)!r}")
    visible = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    found = [path for path in visible if path.suffix.lower() in IMAGE_SUFFIXES]
    if not found:
        raise SourceError(f"expected images ({', '.join(IMAGE_SUFFIXES)}) in {str(folder)!r}; got none")
    return sorted(found, key=natural_key)


def matching_files(pattern: Path) -> list[Path]:
    """The files whose names match a pattern with *, ?, [...] or %d, in natural order; raises SourceError for none."""
    folder = pattern.parent
    if not folder.is_dir():
        raise SourceError(f"expected an image folder; there is no {str(folder)!r}")
    if number := _NUMBERED.search(pattern.name):
        digits = rf"\d{{{number[1]},}}" if number[1] else r"\d+"
        name = re.escape(pattern.name[: number.start()]) + digits + re.escape(pattern.name[number.end() :])
        found = [path for path in folder.iterdir() if re.fullmatch(name, path.name)]
    else:
        found = list(folder.glob(pattern.name))
    if not found:
        raise SourceError(f"expected files whose names match {str(pattern)!r}; got none")
    return sorted(found, key=natural_key)


def read_image(path: Path, grey: GreyRange | None = None) -> np.ndarray:
    """The image (H, W, 3) uint8 RGB in a file; raises SourceError if it cannot be read.

    One of 16 bits is shown by the range of values in `grey`, which follows a sequence of them, or else by its own.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if image is not None and image.dtype != np.uint8:
        if image.dtype == np.uint16:
            has_colors = bool((image != image[..., :1]).any())
            image = (grey or GreyRange()).to_8_bits(image, from_zero=has_colors)
        else:
            image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"cannot read {path}: not an image file, or a broken one")
    rgb: np.ndarray = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


class ImageFolder(FrameSource):
    """Images of a folder, in the order given. Unreadable ones are skipped, counted and named in a warning."""

    def __init__(self, folder: Path, files: Sequence[Path], warn_of_several_kinds: bool = False) -> None:
        """folder: what was asked for, a pattern perhaps."""
        self.fps = FALLBACK_FPS
        self.names = [path.stem for path in files]
        self._files = files
        self._grey = GreyRange()  # Shared by all iterations, so that 16-bit images that are read again look the same.
        self._reported: set[Path] = set()  # Unreadable files that were named in a warning.
        self.length = len(self._files)
        if warn_of_several_kinds:
            _warn_of_several_kinds(folder, files)
        first = next(self._readable(), None)
        if first is None:
            raise SourceError(f"expected at least one readable image in {str(folder)!r}; got {self.length} unreadable")
        self.size = first[1].shape[:2]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for _, image in self.numbered())

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        self.skipped = 0
        height, width = self.size
        for number, image in self._readable(first, warn=True):
            if image.shape[:2] != self.size:
                came = f"{image.shape[1]}x{image.shape[0]} in {self._files[number]}"
                raise SourceError(f"expected images of one size, {width}x{height}; got {came}")
            yield number, image

    def _readable(self, first: int = 0, warn: bool = False) -> Iterator[tuple[int, np.ndarray]]:
        for number, path in enumerate(self._files[first:], start=first):
            try:
                image = read_image(path, self._grey)
            except SourceError as error:
                self.skipped += 1
                if warn and path not in self._reported:
                    self._reported.add(path)
                    _log.warning("%s; skipped", error)
            else:
                yield number, image


class VideoFile(FrameSource):
    """A video file, decoded by OpenCV."""

    def __init__(self, path: Path) -> None:
        self._path = path
        first = next(iter(self), None)
        if first is None:
            raise SourceError(
                f"expected a video file that OpenCV can decode; cannot read a frame from {str(path)!r}{_codec(path)}"
            )
        self.size = first.shape[:2]
        capture = cv2.VideoCapture(str(path))
        self.fps = _fps(capture)
        self.length = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0) or None
        capture.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for _, image in self.numbered())

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        capture = cv2.VideoCapture(str(self._path))
        read = 0
        try:
            # Seeking is not exact in every video, so earlier frames are decoded, but not converted to RGB.
            while read < first and capture.grab():
                read += 1
            for image in _decoded(capture):
                read += 1
                yield read - 1, image
        finally:
            capture.release()
        if self.length and read < (1 - _COUNT_TOLERANCE) * self.length:
            _log.warning("%s: %d of the %d frames that it claims could be read", self._path, read, self.length)


def _video_file(path: Path) -> FrameSource:
    """A video through OpenCV, or through PyAV where that one alone reads it."""
    try:
        return VideoFile(path)
    except SourceError as error:
        from sampt_ros.io.pyav_video import HINT, PyavFile

        try:
            return PyavFile(path)
        except ImportError:
            raise SourceError(f"{error}; {HINT}") from None


def _codec(path: Path) -> str:
    """How a video is compressed, in words, where OpenCV knows."""
    capture = cv2.VideoCapture(str(path))
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False) if capture.isOpened() else b""
    capture.release()
    return f", whose codec is {code.decode()}" if code.isalnum() else ""


def _warn_of_several_kinds(folder: Path, files: Sequence[Path]) -> None:
    """Tell of a folder with, say, colour and depth side by side, by their names without the numbers."""
    kinds = Counter(re.sub(r"\d+", "*", path.name) for path in files)
    if len(kinds) > 1 and min(kinds.values()) > 1:
        counts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
        _log.warning(
            "%s holds images of several kinds (%s), and all are taken for one sequence; '%s' takes one kind",
            folder,
            counts,
            folder / kinds.most_common(1)[0][0],
        )


class Camera(FrameSource):
    """A camera by its number; it stays open until `close`."""

    is_live = True

    def __init__(self, number: int) -> None:
        self._capture = cv2.VideoCapture(number)
        first = next(_decoded(self._capture), None)
        if first is None:
            self.close()
            raise SourceError(f"expected a working camera; cannot read a frame from camera {number}")
        self.size = first.shape[:2]
        self.fps = _fps(self._capture)

    def __iter__(self) -> Iterator[np.ndarray]:
        return _decoded(self._capture)

    def close(self) -> None:
        self._capture.release()


def _decoded(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        read, image = capture.read()
        if not read:
            return
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _fps(capture: cv2.VideoCapture) -> float:
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    return fps if 0 < fps <= 1000 else FALLBACK_FPS


def write_image(path: Path, image: np.ndarray) -> None:
    """Write an image (H, W, 3) uint8 RGB, making its folder; raises SourceError if that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())
    except OSError as error:
        raise SourceError(f"cannot write {path}: {error.strerror}") from None
