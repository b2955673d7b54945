"""Writes MPEG-4 videos: of even size by OpenCV, of odd size by PyAV, or padded if that is not installed."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.utf8_names import utf8_name
from sampt_ros.io.writing import writing

_log = logging.getLogger(__name__)

_LONGEST = 8190  # Pixels: MPEG-4 has 13 bits for a side, and OpenCV writes even sizes alone.
_LOWEST_RATE = 0.002  # Frames per second: OpenCV rounds rates to a thousandth, and refuses 0.001.
_HIGHEST_RATE = 65535  # MPEG-4 has 16 bits for a rate's numerator.


class VideoWriter(ABC):
    """Writes frames (H, W, 3) uint8 RGB, all of one size, to a file."""

    @abstractmethod
    def write(self, image: np.ndarray) -> None:
        """Add a frame."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""


def video_writer(path: Path, fps: float, size: tuple[int, int]) -> VideoWriter:
    """A writer of an MPEG-4 file for frames of size (height, width).

    OpenCV drops the last row or column of odd sizes. PyAV keeps them; without it the frames are padded by one row or
    column, with a warning. Frames that are larger than MPEG-4 can be are scaled down, with a warning. Raises
    SourceError if the file cannot be written; then one that was there is as it was.
    """
    if not _LOWEST_RATE <= fps <= _HIGHEST_RATE:
        raise SourceError(
            f"cannot write {path}: expected {_LOWEST_RATE} to {_HIGHEST_RATE} frames per second, as an MPEG-4 video "
            f"can have; got {fps:g}"
        )
    if max(size) > _LONGEST:
        return ScaledWriter(path, fps, size)
    height, width = size
    if height % 2 == 0 and width % 2 == 0:
        return OpenCvWriter(path, fps, size)
    try:
        return PyavWriter(path, fps, size)
    except ImportError:
        padded = height + height % 2, width + width % 2
        _log.warning(
            "%s is %dx%d, padded, for frames of %dx%d: OpenCV writes even sizes alone; pip install av keeps the size",
            path.name,
            *padded[::-1],
            width,
            height,
        )
        return OpenCvWriter(path, fps, padded)


class ScaledWriter(VideoWriter):
    """Scales frames down to the largest even size that MPEG-4 can have."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        height, width = (max(2, 2 * round(side * _LONGEST / max(size) / 2)) for side in size)
        self._size = height, width
        self._writer = OpenCvWriter(path, fps, self._size)
        _log.warning(
            "%s is %dx%d, scaled down, for frames of %dx%d: no side of an MPEG-4 video is longer than %d",
            path.name,
            width,
            height,
            *size[::-1],
            _LONGEST,
        )

    def write(self, image: np.ndarray) -> None:
        self._writer.write(cv2.resize(image, self._size[::-1], interpolation=cv2.INTER_AREA))

    def close(self) -> None:
        self._writer.close()


class OpenCvWriter(VideoWriter):
    """Writes by OpenCV, in even sizes; frames that are one row or column smaller are padded with the last one."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path = path
        self._frames = 0
        self._height, self._width = size
        # OpenCV makes a fraction of the rate's decimals; with too many of them its numerator is too large.
        rate = next(rate for digits in (3, 2, 1, 0) if (rate := round(fps, digits)) * 10**digits <= _HIGHEST_RATE)
        existed = path.exists()
        with utf8_name(path) as name:
            self._writer = cv2.VideoWriter(name, cv2.VideoWriter.fourcc(*"mp4v"), rate, size[::-1])
        if not self._writer.isOpened():
            with writing(path):  # OpenCV does not say why.
                path.open("ab").close()
                if not existed:
                    path.unlink()
            raise SourceError(
                f"cannot write {path}: this OpenCV has no MPEG-4 encoder for {self._width}x{self._height}"
            )

    def write(self, image: np.ndarray) -> None:
        below, right = self._height - image.shape[0], self._width - image.shape[1]
        if below or right:
            image = np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self._frames += 1

    def close(self) -> None:
        self._writer.release()
        # OpenCV reports no failed write; what comes last in the file, its index, is what a full disk leaves out.
        with utf8_name(self._path) as name:
            is_whole = not self._frames or cv2.VideoCapture(name).isOpened()
        if not is_whole:
            raise SourceError(f"cannot write {self._path}: it is not complete; the disk may be full")


class PyavWriter(VideoWriter):
    """Writes by PyAV, in any size; raises ImportError if it is not installed."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        import av

        self._av = av
        self._path = path
        try:
            self._container = self._av.open(str(path.absolute()), "w")
            parts = min(1000, int(_HIGHEST_RATE / fps))
            self._stream = self._container.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(parts))
            self._stream.height, self._stream.width = size
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"qscale": "4"}
            self._container.start_encoding()  # The file is opened here, or else with the first frame.
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot write {path}: {error}") from None

    def write(self, image: np.ndarray) -> None:
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        with writing(self._path):
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        with writing(self._path):
            self._container.mux(self._stream.encode())
            self._container.close()
