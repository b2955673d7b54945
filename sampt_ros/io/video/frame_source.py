"""What every source of frames offers."""

from __future__ import annotations

import itertools
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType

import numpy as np

FALLBACK_FPS = 30.0  # Of image folders, and of sources that do not know their rate.

_log = logging.getLogger(__name__)

# A warning is given if more of the frames that a video claims are missing: a share of them where it only knows how long
# it is, as Matroska and WebM do, or so many where it counts them.
_COUNT_TOLERANCE = 0.05
_COUNTED_TOLERANCE = 1
_COUNTING = (".avi", ".m4v", ".mov", ".mp4")


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


class NumberedSource(FrameSource):
    """A source that knows the numbers of its frames, also where some cannot be read."""

    def __iter__(self) -> Iterator[np.ndarray]:
        return (image for _, image in self.numbered())


def warn_of_missing(path: Path, read: int, claimed: int | None) -> None:
    """Tell where fewer frames could be read than a video's header claims."""
    if not claimed:
        return
    most_missing = _COUNTED_TOLERANCE if path.suffix.lower() in _COUNTING else _COUNT_TOLERANCE * claimed
    if read < claimed - most_missing:
        _log.warning("%s: %d of the %d frames that it claims could be read", path, read, claimed)
