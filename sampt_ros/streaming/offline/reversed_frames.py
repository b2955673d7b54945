"""The frames of a video from a later one back to the first, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sampt_ros.io.video import FrameSource

MEMORY = 512 * 2**20  # bytes of frames that are held at a time


def reversed_frames(source: FrameSource, last: int, memory: int = MEMORY) -> Iterator[tuple[int, np.ndarray]]:
    """Number and image (H, W, 3) uint8 RGB of every frame of a source, from frame `last` back to frame 0.

    Videos can be decoded forwards only. So as many frames as `memory` bytes hold are read and yielded backwards, then
    those before them, and so on; each time a video is decoded from its beginning, an image folder is not. A video of n
    frames, of which m fit into memory, is thus decoded about n / (2 m) times.
    """
    at_once = max(1, memory // (3 * math.prod(source.size)))
    end = last + 1
    while end > 0:
        begin = max(0, end - at_once)
        held = []
        for number, image in source.numbered(begin):
            if number >= end:
                break
            held.append((number, image))
        while held:
            yield held.pop()
        end = begin
