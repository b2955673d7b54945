"""Writes MPEG-4 videos: of even size by OpenCV, of odd size by PyAV, or padded if that is not installed."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.writing import writing

_log = logging.getLogger(__name__)


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
    column, with a warning. Raises SourceError if the file cannot be written.
    """
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


class OpenCvWriter(VideoWriter):
    """Writes by OpenCV, in even sizes; frames that are one row or column smaller are padded with the last one."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        self._path = path
        self._frames = 0
        self._height, self._width = size
        # In a relative path FFmpeg takes all before a colon, as of a time, for a protocol.
        self._writer = cv2.VideoWriter(str(path.absolute()), cv2.VideoWriter.fourcc(*"mp4v"), fps, size[::-1])
        if not self._writer.isOpened():
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
        if self._frames and not cv2.VideoCapture(str(self._path.absolute())).isOpened():
            raise SourceError(f"cannot write {self._path}: it is not complete; the disk may be full")


class PyavWriter(VideoWriter):
    """Writes by PyAV, in any size; raises ImportError if it is not installed."""

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        import av

        self._av = av
        self._path = path
        try:
            self._container = self._av.open(str(path.absolute()), "w")
            self._stream = self._container.add_stream("mpeg4", rate=Fraction(fps).limit_denominator(1000))
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot write {path}: {error}") from None
        self._stream.height, self._stream.width = size
        self._stream.pix_fmt = "yuv420p"
        self._stream.options = {"qscale": "4"}

    def write(self, image: np.ndarray) -> None:
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        with writing(self._path):
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        with writing(self._path):
            self._container.mux(self._stream.encode())
            self._container.close()
