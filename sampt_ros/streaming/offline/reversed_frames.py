"""Iterates over the frames of a video backwards, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sampt_ros.io.video import FrameSource

MEMORY = 512 * 2**20  # bytes of frames held at a time


def reversed_frames(source: FrameSource, last: int, memory: int = MEMORY) -> Iterator[tuple[int, np.ndarray]]:
    """Yield number and image (H, W, 3) uint8 RGB of every frame of a source, from frame `last` back to frame 0.

    Videos can only be decoded forwards. So a chunk of as many frames as fit into `memory` bytes is read and yielded
    backwards, then the chunk before it, and so on. A video is decoded from its beginning for each chunk (an image
    folder is not): one of n frames, of which m fit into memory, is decoded about n / (2 m) times.
    """
    chunk_size = max(1, memory // (3 * math.prod(source.size)))
    end = last + 1
    while end > 0:
        begin = max(0, end - chunk_size)
        chunk = []
        for number, image in source.numbered(begin):
            if number >= end:
                break
            chunk.append((number, image))
        while chunk:
            yield chunk.pop()
        end = begin
