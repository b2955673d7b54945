"""Frames from video files and cameras, by OpenCV."""

from __future__ import annotations

import logging
import mmap
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.utf8_names import utf8_name
from sampt_ros.io.video.frame_source import FALLBACK_FPS, FrameNumbers, FrameSource, NumberedSource

_log = logging.getLogger(__name__)

_MAX_DAMAGED = 100  # So many frames in a row that cannot be decoded are the end of a video file.
_MAX_BLACK = 300  # So many black frames at the beginning of a video may be frames that OpenCV never wrote;
_MAX_STILL = 20  # so many that do not change, but are others when the file is opened once more, are such frames.


class VideoFile(NumberedSource):
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
        capture = _Capture(path)
        self.fps = _fps(capture)
        self.length = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0) or None
        capture.release()

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        capture = _Capture(self._path)
        numbers = FrameNumbers(_fps(capture))
        try:
            for number, image in self._readable(capture, numbers, first):
                self.skipped = numbers.damaged
                yield number, image
        finally:
            capture.release()
        self.skipped = numbers.damaged
        if self.skipped:
            _log.warning("%s: frames that cannot be decoded: %d; skipped", self._path, self.skipped)
        numbers.warn_of_missing(self._path, self.length)

    def _readable(self, capture: _Capture, numbers: FrameNumbers, first: int) -> Iterator[tuple[int, np.ndarray]]:
        """Number and RGB image of each frame from number `first` on; damaged ones between them are counted."""
        failures, newest = 0, -1.0
        while failures < _MAX_DAMAGED:
            # Seeking is not exact in every video, so earlier frames are decoded, but not converted to RGB.
            if not capture.grab():
                failures += 1
                continue
            numbers.report_damaged(failures)
            failures = 0
            seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            has_time = seconds > newest  # In files without times, all are equal.
            newest = max(newest, seconds)
            number = numbers.of_next(seconds if has_time else None)
            if has_time:
                self._times[number] = seconds
            if number < first:
                continue
            is_read, image = capture.retrieve()
            if is_read and not _is_empty(image):
                yield number, cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            else:
                numbers.damaged += 1  # It has its number already.


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
            self._times = {number: time.monotonic() - start}  # only the newest, as a camera may run for a long time
            yield image

    def close(self) -> None:
        self._capture.release()


class _Capture:
    """OpenCV's capture of a file, whose name need not be in UTF-8; it is not a subclass, which OpenCV crashes with."""

    def __init__(self, path: Path) -> None:
        self._names = ExitStack()  # The name stays until `release`, as OpenCV reads some kinds of files by it.
        self._capture = cv2.VideoCapture(self._names.enter_context(utf8_name(path)))

    def release(self) -> None:
        self._capture.release()
        self._names.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._capture, name)


def are_frames_written(path: Path) -> bool | None:
    """Whether OpenCV's frames are those of the file; None if they are black, which does not tell.

    Newer versions do not convert interlaced frames to RGB. They say that they did, and give memory that was never
    written: it does not change, and it is black, or something else in each capture.
    """
    captures = _Capture(path), _Capture(path)
    try:
        first, differ = None, False
        for number in range(_MAX_BLACK):
            images = [image for image in (next(_decoded(capture), None) for capture in captures) if image is not None]
            if len(images) < len(captures):
                break
            first = images[0] if first is None else first
            is_still = np.array_equal(first, images[0])
            is_same = np.array_equal(images[0], images[1])
            if not is_still or (is_same and first.any()):
                return True
            differ |= not is_same
            if differ and number >= _MAX_STILL:
                return False
        if differ:
            return False
        return True if first is None else None
    finally:
        for capture in captures:
            capture.release()


def grey_bits(path: Path) -> int:
    """Bits per pixel of a grey video, from OpenCV's name of its pixel format (Y1, 0, bits); 0 for other videos."""
    capture = _Capture(path)
    name = int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)).to_bytes(8, "little", signed=True)[:4]
    capture.release()
    for order in (1, -1):  # little-endian, big-endian
        if name[::order][:3] == b"Y1\0":
            return name[::order][3]
    return 0


def _is_empty(image: np.ndarray | None) -> bool:
    """Whether OpenCV gives no pixels, as of some damaged frames, though it says that they are read."""
    return image is None or image.size == 0


def _decoded(capture: cv2.VideoCapture | _Capture) -> Iterator[np.ndarray]:
    while True:
        is_read, image = capture.read()
        if not is_read or _is_empty(image):
            return
        yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _fps(capture: cv2.VideoCapture | _Capture) -> float:
    fps = float(capture.get(cv2.CAP_PROP_FPS))
    return fps if 0 < fps <= 1000 else FALLBACK_FPS


def _codec(path: Path) -> str:
    """The codec of a video, to end an error message with, if OpenCV knows it."""
    capture = _Capture(path)
    code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False) if capture.isOpened() else b""
    capture.release()
    if _lacks_index(path):
        return ", which lacks its index (moov), as where a recording was cut off"
    return f", whose codec is {code.decode()}" if code.isalnum() else ""


def _lacks_index(path: Path) -> bool:
    """Whether a file is an MP4 or MOV without its index, which is written last."""
    with path.open("rb") as file:
        if file.read(8)[4:] != b"ftyp":
            return False
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b"moov") < 0
