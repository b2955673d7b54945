"""Frames from videos that OpenCV does not decode or convert, such as AV1 and interlaced ones, by PyAV (FFmpeg)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.io.video.frame_source import FrameNumbers, NumberedSource
from sampt_ros.io.video.video_contents import claimed_frames, frame_rate, picture_tracks

_log = logging.getLogger(__name__)

_MAX_STEP_BACK = 1.0  # seconds, by which frames may come out of order, or have inexact times

HINT = "PyAV reads more kinds of video: pip install av"


class PyavFile(NumberedSource):
    """A video file, decoded by PyAV; raises ImportError without PyAV, SourceError if it cannot decode the file.

    Frames of another size than the first one's are scaled to that, with a warning.
    """

    def __init__(self, path: Path) -> None:
        import av

        self._av, self._path = av, path
        self._times: dict[int, float] = {}
        self._grey = GreyRange()
        self._decoded_size: tuple[int, int] | None = None  # (width, height) of the first frame as it is stored
        self._told_sizes: set[tuple[int, int]] = set()  # Other sizes that have been reported.
        with self._open() as container:
            stream = picture_tracks(container)[0]
            self.fps = frame_rate(stream)
            self.length = claimed_frames(container, stream)
        first = next(iter(self), None)
        if first is None:
            raise SourceError(f"expected a video file that PyAV can decode; got no frame from {str(path)!r}")
        self.size = first.shape[:2]

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        self.skipped, start, newest = 0, None, -1.0
        numbers = FrameNumbers(self.fps)
        with self._open() as container:
            stream = picture_tracks(container)[0]
            if stream.start_time is not None and stream.time_base is not None:
                start = float(stream.start_time * stream.time_base)
            for frame in self._frames(container, stream, numbers):
                seconds = None
                if frame.time is not None:
                    start = frame.time if start is None else start
                    if frame.time - start < newest - _MAX_STEP_BACK:  # Where recordings were joined, times begin anew.
                        start = frame.time - newest - 1 / self.fps
                    seconds = frame.time - start if frame.time - start > newest else None
                    newest = max(newest, frame.time - start)
                number = numbers.of_next(seconds)
                self.skipped = numbers.damaged
                if seconds is not None:
                    self._times[number] = seconds
                self._decoded_size = self._decoded_size or (frame.width, frame.height)
                if number >= first:
                    quarters = round(getattr(frame, "rotation", 0) / 90)  # counter-clockwise, as phones record it
                    self._tell_size(number, (frame.width, frame.height), quarters % 2 == 1)
                    yield number, np.ascontiguousarray(np.rot90(self._rgb(frame), quarters))
        self.skipped = numbers.damaged
        if self.skipped:
            _log.warning("%s: %d frames could be read; %d are damaged", self._path, numbers.frames, self.skipped)
        else:
            numbers.warn_of_missing(self._path, self.length)

    def _tell_size(self, number: int, size: tuple[int, int], is_turned: bool) -> None:
        """Warn if a frame, stored as (width, height), has another size than the first one, once for each size.

        is_turned  whether width and height are exchanged in the image that is given
        """
        if self._decoded_size is None or size in {self._decoded_size, *self._told_sizes}:
            return
        self._told_sizes.add(size)
        order = -1 if is_turned else 1
        _log.warning(
            "%s: the images are %dx%d from frame %d on; they are scaled to %dx%d, to which all coordinates refer",
            self._path,
            *size[::order],
            number,
            *self._decoded_size[::order],
        )

    def _frames(self, container: Any, stream: Any, numbers: FrameNumbers) -> Iterator[Any]:
        """Yield the frames that can be decoded; damaged packets are reported to `numbers`."""
        try:
            for packet in container.demux(stream):
                try:
                    yield from packet.decode()
                except self._av.FFmpegError:
                    numbers.report_damaged()
        except self._av.FFmpegError:  # nothing more can be found in the file
            numbers.report_damaged()

    def _rgb(self, frame: Any) -> np.ndarray:
        """The image (H, W, 3) uint8 RGB of a decoded frame, in the size of the first one."""
        width, height = self._decoded_size or (frame.width, frame.height)
        if frame.format.name.startswith("gray") and frame.format.components[0].bits > 8:
            values = self._grey.to_8_bits(frame.to_ndarray(format="gray16le", width=width, height=height))
            return np.repeat(values[..., None], 3, axis=2)
        rgb: np.ndarray = frame.to_ndarray(format="rgb24", width=width, height=height)
        return rgb

    def _open(self) -> Any:
        try:
            container = self._av.open(str(self._path.absolute()))  # else a colon in it ends a protocol
        except self._av.FFmpegError as error:
            raise SourceError(
                f"expected a video file that PyAV can decode; cannot open {str(self._path)!r}: {error.strerror}"
            ) from None
        if not container.streams.video:
            container.close()
            raise SourceError(f"expected a video file that PyAV can decode; {str(self._path)!r} has no pictures")
        return container
