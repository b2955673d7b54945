"""The latest frames of a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import numpy as np

from sampt_ros.data_types import Frame, check_image
from sampt_ros.errors import FrameError, QueryError


class FrameBuffer:
    """The last `length` frames of a stream, all of one size, oldest first."""

    def __init__(self, length: int) -> None:
        self._frames: deque[Frame] = deque(maxlen=length)
        self.reset()

    def reset(self) -> None:
        """Forget all frames; the next one has index 0, and may be of another size."""
        self._frames.clear()
        self._late_frames = 0

    def __len__(self) -> int:
        return len(self._frames)

    def __iter__(self) -> Iterator[Frame]:
        return iter(self._frames)

    @property
    def newest(self) -> Frame:
        """The newest frame; raises QueryError if there is none yet."""
        if not self._frames:
            raise QueryError("expected a frame before the first query; got none yet")
        return self._frames[-1]

    def next_frame(self, image: np.ndarray) -> Frame:
        """Make the frame that follows the newest one from an image (H, W, 3) uint8 RGB; the buffer is not changed.

        Raises FrameError for an image of another type or size than those before.
        """
        check_image(image)
        if not self._frames:
            return Frame(0, image)
        if image.shape != self.newest.image.shape:
            raise FrameError(f"expected an image of {_size(self.newest.image)} like those before; got {_size(image)}")
        return Frame(self.newest.index + 1, image)

    def append(self, frame: Frame) -> None:
        """Append the next frame; the oldest one is dropped if there are too many."""
        self._frames.append(frame)

    def since(self, past: Sequence[np.ndarray]) -> list[Frame]:
        """Make frames of past images (H, W, 3) uint8 RGB, oldest first, followed by the newest frame.

        Past images get unique negative indices. Raises QueryError if an image has another size than the newest frame,
        or if there is no newest frame.
        """
        for image in past:
            if check_image(image).shape != self.newest.image.shape:
                raise QueryError(f"expected past images of {_size(self.newest.image)}; got {_size(image)}")
        newest = self.newest
        self._late_frames += len(past)
        return [*(Frame(number - self._late_frames, image) for number, image in enumerate(past)), newest]


def _size(image: np.ndarray) -> str:
    """WIDTHxHEIGHT of an image."""
    return f"{image.shape[1]}x{image.shape[0]}"
