"""The interface of all sources of frames."""

from __future__ import annotations

import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType

import numpy as np

FALLBACK_FPS = 30.0  # For image folders, and for sources that do not know their rate.

_log = logging.getLogger(__name__)

# How many of the frames that a video's header claims may be missing without a warning: a fraction if the header only
# gives the duration, as in Matroska and WebM, or a number if it counts the frames.
_COUNT_TOLERANCE = 0.05
_COUNTED_TOLERANCE = 1
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


def warn_of_missing(path: Path, read: int, claimed: int | None) -> None:
    """Warn if fewer frames could be read than a video's header claims, beyond its tolerance."""
    if not claimed:
        return
    max_missing = _COUNTED_TOLERANCE if path.suffix.lower() in _COUNTING else _COUNT_TOLERANCE * claimed
    if read < claimed - max_missing:
        _log.warning("%s: %d of the %d frames that it claims could be read", path, read, claimed)
