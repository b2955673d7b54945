"""The interface of all sources of frames."""

from __future__ import annotations

import itertools
import logging
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from types import MappingProxyType, TracebackType

import numpy as np

FALLBACK_FPS = 30.0  # For image folders, and for sources that do not know their rate.

_log = logging.getLogger(__name__)

# How much of what a video's header claims may be missing without a warning: a fraction if the header only gives the
# duration, as in Matroska and WebM, or a number of frames if it counts them.
_DURATION_TOLERANCE = 0.05
_COUNTED_TOLERANCE = 1
_FEW_GAPS = 0.05  # Of so many of the intervals, or fewer, each is a gap.
_REGULAR = 1.5  # Frames come regularly if their longest interval is at most so many times the shortest.
_COUNTING = (".avi", ".m4v", ".mov", ".mp4")


class FrameSource(ABC):
    """A sequence of frames (H, W, 3) uint8 RGB, all of one size.

    Each iteration starts at the first frame (with a camera, at the next one).

        with open_source("cups.mp4") as source:
            for image in source:
                ...

    fps      frames per second
    size     (height, width) in pixels
    length   number of frames, None for a camera; for a video it comes from the header, and may be slightly off
    skipped  number of frames that could not be read in this iteration
    names    names of the frames, in order, without the suffix, if they are files; otherwise empty
    is_live  whether each frame can be read only once, as from a camera
    """

    fps: float
    size: tuple[int, int]
    length: int | None = None
    skipped: int = 0
    names: Sequence[str] = ()
    is_live: bool = False
    _times: Mapping[int, float] = MappingProxyType({})  # Seconds of the frames read so far whose time is known.

    def seconds(self, number: int) -> float:
        """The time of a frame that has been read, relative to the first one; by the rate if it is unknown."""
        return self._times.get(number, number / self.fps)

    @abstractmethod
    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield every frame; raises SourceError if the source turns out to be unusable."""

    def numbered(self, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """Yield every frame from number `first` on, with its number.

        Numbers count from 0. A frame that cannot be read keeps its number, so that those of later frames do not change.
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


class NumberedSource(FrameSource):
    """A source that knows the numbers of its frames, even if some cannot be read."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for _, image in self.numbered())


class FrameNumbers:
    """Numbers a video's frames from 0, so that damaged ones between them keep theirs.

    A decoder that holds frames back, to put them in order, reports damage before the frames ahead of it, and what is
    damaged may cost the frames that depend on it. So the times tell which ones are missing, where they are known.

    frames   number of frames that were decoded
    damaged  number of frames that could not be
    """

    def __init__(self, fps: float) -> None:
        self.frames = self.damaged = 0
        self._fps = fps
        self._next = self._unplaced = 0
        self._newest: tuple[int, float] | None = None  # the newest number whose time is known, and that
        self._intervals = array("d")  # seconds between neighbouring frames

    def report_damaged(self, count: int = 1) -> None:
        """Take in that frames cannot be decoded, which lie somewhere after the newest one."""
        self.damaged += count
        self._unplaced += count

    def of_next(self, seconds: float | None) -> int:
        """The number of the next frame that was decoded; seconds: its time, about 0 for the first one, or None."""
        if self._unplaced:
            lost = self._unplaced if seconds is None else max(self._missing_before(seconds), 0)
            if not self._is_regular:  # What looks like missing frames may be a pause.
                lost = min(lost, self._unplaced)
            self.damaged += max(lost - self._unplaced, 0)
            self._next, self._unplaced = self._next + lost, max(self._unplaced - lost, 0)
        elif seconds is not None and self._newest is not None and self._newest[0] == self._next - 1:
            self._intervals.append(seconds - self._newest[1])
        if seconds is not None:
            self._newest = self._next, seconds
        self._next += 1
        self.frames += 1
        return self._next - 1

    def warn_of_missing(self, path: Path, claimed: int | None) -> None:
        """Warn, at the end of a video, if there are fewer frames than its header claims, beyond its tolerance.

        A header that only gives the duration claims the number of frames at a steady rate. In a video of a variable
        rate there may be fewer; some are missing if the last one is before the end, or if nearly all come steadily.
        """
        if not claimed:
            return
        read = self.frames + self.damaged
        is_counted = path.suffix.lower() in _COUNTING
        if is_counted or self._newest is None:
            if read < claimed - (_COUNTED_TOLERANCE if is_counted else _DURATION_TOLERANCE * claimed):
                _log.warning("%s: %d of the %d frames that it claims could be read", path, read, claimed)
            return
        duration, end = claimed / self._fps, self._newest[1] + 1 / self._fps
        if end < (1 - _DURATION_TOLERANCE) * duration:
            _log.warning("%s: frames could be read up to %.3f s of the %.3f s that it claims", path, end, duration)
        elif read < (1 - _DURATION_TOLERANCE) * claimed and (gaps := self._gaps()):
            _log.warning(
                "%s: %d of the %d frames that it claims could be read; there are gaps of up to %.3f s",
                path,
                read,
                claimed,
                max(gaps),
            )

    def _gaps(self) -> list[float]:
        """The intervals, in seconds, that are longer than nearly all others, which are equal; otherwise none."""
        usual = median(self._intervals or [0.0])
        gaps = [interval for interval in self._intervals if interval > _REGULAR * usual]
        return gaps if len(gaps) <= _FEW_GAPS * len(self._intervals) else []

    @property
    def _is_regular(self) -> bool:
        """Whether frames came, all at about the same intervals; a rate that a file claims may be wrong."""
        return len(self._intervals) > 0 and max(self._intervals) <= _REGULAR * min(self._intervals)

    def _missing_before(self, seconds: float) -> int:
        """How many frames lie between the newest one and a time, at the rate of those before."""
        number, newest = self._newest or (-1, -1 / self._fps)
        interval = newest / number if number > 0 and newest > 0 else 1 / self._fps
        return round((seconds - newest) / interval) - (self._next - number)
