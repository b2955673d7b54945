"""Frames from a video file, an image folder or a camera, behind one interface."""

from __future__ import annotations

import itertools
import logging
import mmap
import re
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType

import cv2
import numpy as np
from PIL import Image

from sampt_ros.errors import SourceError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.image_files import read_image
from sampt_ros.io.label_images import UNREADABLE, image_count

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
FALLBACK_FPS = 30.0  # Of image folders, and of sources that do not know their rate.

_log = logging.getLogger(__name__)

_NUMBERED = re.compile(r"%0?(\d*)d")  # FFmpeg and OpenCV take %05d in a file name for a number of 5 digits.
_STACKS = (".apng", ".gif", ".png", ".tif", ".tiff", ".webp")  # Suffixes of files that may hold several images.
_MOST_ODD = 5  # So many images of another size in a row are no oversight.
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
    _times: Mapping[int, float] = MappingProxyType({})  # Of the frames read so far whose time is known, seconds.

    def seconds(self, number: int) -> float:
        """When a frame that was read was taken, counted from the first one; by the rate where nothing tells."""
        return self._times.get(number, number / self.fps)

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


class _File(FrameSource):
    """A source that knows the numbers of its frames, also where some cannot be read."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for _, image in self.numbered())


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


class ImageFolder(_File):
    """Images of a folder, in the order given.

    Unreadable ones, and single ones of another size, are skipped, counted and named in a warning.
    """

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

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        self.skipped = odd = 0
        for number, image in self._readable(first, warn=True):
            odd = odd + 1 if image.shape[:2] != self.size else 0
            if not odd:
                yield number, image
                continue
            (height, width), came = self.size, f"{image.shape[1]}x{image.shape[0]} in {self._files[number]}"
            if odd == _MOST_ODD:
                raise SourceError(f"expected images of one size, {width}x{height}; got {came}, and those before it")
            self._skip(number, f"expected an image of {width}x{height} like the first one; got {came}", warn=True)

    def _readable(self, first: int = 0, warn: bool = False) -> Iterator[tuple[int, np.ndarray]]:
        for number, path in enumerate(self._files[first:], start=first):
            try:
                image = read_image(path, self._grey)
            except SourceError as error:
                self._skip(number, str(error), warn)
            else:
                yield number, image

    def _skip(self, number: int, reason: str, warn: bool) -> None:
        self.skipped += 1
        if warn and self._files[number] not in self._reported:
            self._reported.add(self._files[number])
            _log.warning("%s; skipped", reason)


class ImageStack(_File):
    """The images that are in one file: the pages of a TIFF, an animated GIF, WebP or PNG."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times: dict[int, float] = {}
        self._grey = GreyRange()
        with Image.open(path) as images:
            self.length = image_count(images) or None
            images.seek(0)
            images.load()  # WebP knows its duration after that.
            self.size = images.size[::-1]
            self.fps = 1000 / (images.info.get("duration") or 1000 / FALLBACK_FPS)  # it is in milliseconds

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        self.skipped = 0
        with Image.open(self._path) as images:
            seconds = 0.0
            for number in itertools.count() if self.length is None else range(self.length):
                try:
                    images.seek(number)
                    images.load()
                except UNREADABLE as error:
                    self.skipped = (self.length or number + 1) - number
                    _log.warning(
                        "%s: %d of its %s images can be read (%s)", self._path, number, self.length or "several", error
                    )
                    return
                self._times[number] = seconds
                seconds += (images.info.get("duration") or 1000 / self.fps) / 1000
                if number >= first:
                    yield number, self._rgb(images)

    def _rgb(self, image: Image.Image) -> np.ndarray:
        """The image (H, W, 3) uint8 RGB that a file stands at."""
        if image.mode.startswith("I"):
            values = np.clip(np.asarray(image), 0, np.iinfo(np.uint16).max).astype(np.uint16)
            return np.repeat(self._grey.to_8_bits(values)[..., None], 3, axis=2)
        return np.asarray(image.convert("RGB"))


class VideoFile(_File):
    """A video file, decoded by OpenCV."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._times: dict[int, float] = {}
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

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        capture = cv2.VideoCapture(str(self._path))
        read = 0
        try:
            # Seeking is not exact in every video, so earlier frames are decoded, but not converted to RGB.
            while read < first and capture.grab():
                read += 1
            for image in _decoded(capture):
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if seconds > self._times.get(read - 1, -1.0):  # Some files do not tell: there all times are equal.
                    self._times[read] = seconds
                read += 1
                yield read - 1, image
        finally:
            capture.release()
        warn_of_missing(self._path, read, self.length)


def warn_of_missing(path: Path, read: int, claimed: int | None) -> None:
    """Tell where fewer frames could be read than a video's header claims."""
    if claimed and read < (1 - _COUNT_TOLERANCE) * claimed:
        _log.warning("%s: %d of the %d frames that it claims could be read", path, read, claimed)


def _video_file(path: Path) -> FrameSource:
    """A video through OpenCV, or through PyAV where that one alone reads it, or all that is in it."""
    from sampt_ros.io.pyav_video import HINT, PyavFile

    if path.suffix.lower() in _STACKS and _is_stack(path):
        return ImageStack(path)
    try:
        video = VideoFile(path)
    except SourceError as error:
        try:
            return PyavFile(path)
        except ImportError:
            raise SourceError(f"{error}; {HINT}") from None
    if (bits := _grey_bits(path)) > 8:
        try:
            return PyavFile(path)
        except (ImportError, SourceError):
            _log.warning("%s: of its %d bits of grey OpenCV reads the highest 8; %s", path, bits, HINT)
    return video


def _is_stack(path: Path) -> bool:
    """Whether a file holds several images."""
    try:
        with Image.open(path) as image:
            return image.load() is not None and image_count(image) != 1
    except UNREADABLE:
        return False


def _grey_bits(path: Path) -> int:
    """Bits per pixel of a grey video, as OpenCV names its pixels: Y1, 0, bits; 0 for another one."""
    capture = cv2.VideoCapture(str(path))
    name = int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)).to_bytes(8, "little", signed=True)[:4]
    capture.release()
    for order in (1, -1):  # little-endian, big-endian
        if name[::order][:3] == b"Y1\0":
            return name[::order][3]
    return 0


def _codec(path: Path) -> str:
    """How a video is compressed, in words, where OpenCV knows."""
    capture = cv2.VideoCapture(str(path))
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False) if capture.isOpened() else b""
    capture.release()
    if _lacks_index(path):
        return ", which lacks its index (moov), as where a recording was cut off"
    return f", whose codec is {code.decode()}" if code.isalnum() else ""


def _lacks_index(path: Path) -> bool:
    """Whether a file is an MP4 or MOV whose index, which is written last, is not there."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"moov") < 0


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
        self._times: dict[int, float] = {}
        first = next(_decoded(self._capture), None)
        if first is None:
            self.close()
            raise SourceError(f"expected a working camera; cannot read a frame from camera {number}")
        self.size = first.shape[:2]
        self.fps = _fps(self._capture)

    def __iter__(self) -> Iterator[np.ndarray]:
        start = None
        for number, image in enumerate(_decoded(self._capture)):
            start = start or time.monotonic()
            self._times = {number: time.monotonic() - start}  # the newest alone, as a camera may run for long
            yield image

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
