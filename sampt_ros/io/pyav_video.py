"""Videos that OpenCV does not decode, such as AV1, through PyAV (FFmpeg)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.video import FALLBACK_FPS, FrameSource

HINT = "PyAV reads more kinds of video: pip install av"


class PyavFile(FrameSource):
    """A video file, decoded by PyAV; raises ImportError where that is missing, SourceError where it cannot decode."""

    def __init__(self, path: Path) -> None:
        import av

        self._av, self._path = av, path
        with self._open() as container:
            stream = container.streams.video[0]
            self.fps = float(stream.average_rate or FALLBACK_FPS)
            self.length = stream.frames or None
        first = next(iter(self), None)
        if first is None:
            raise SourceError(f"expected a video file that PyAV can decode; got no frame from {str(path)!r}")
        self.size = first.shape[:2]

    def __iter__(self) -> Iterator[np.ndarray]:
        with self._open() as container:
            try:
                for frame in container.decode(video=0):
                    quarters = round(getattr(frame, "rotation", 0) / 90)  # counter-clockwise, as phones record it
                    yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarters))
            except self._av.FFmpegError as error:
                raise SourceError(f"cannot decode {self._path}: {error.strerror}") from None

    def _open(self) -> Any:
        try:
            container = self._av.open(str(self._path))
        except self._av.FFmpegError as error:
            raise SourceError(
                f"expected a video file that PyAV can decode; cannot open {str(self._path)!r}: {error.strerror}"
            ) from None
        if not container.streams.video:
            container.close()
            raise SourceError(f"expected a video file that PyAV can decode; {str(self._path)!r} has no pictures")
        return container
