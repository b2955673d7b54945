"""What the nano segmenter remembers of an object: what it looked like at its start and in the latest frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sampt_ros.segmenters.nano.interface import Array, Memory


@dataclass(frozen=True, eq=False)
class ObjectMemory:
    """Memories of one object, oldest first. The first frame's is the surest, and is never forgotten.

    frames    indices of the remembered frames
    memories  the network's memory of each
    """

    frames: tuple[int, ...] = ()
    memories: tuple[Memory, ...] = ()

    def wants(self, frame: int, gap: int) -> bool:
        """Whether a frame is to be remembered: the last one again, or one at least `gap` frames after it."""
        return not self.frames or frame == self.frames[-1] or frame - self.frames[-1] >= gap

    @cached_property
    def positions(self) -> Memory:
        """All memories, of NumPy arrays, end to end, as a batch of one object; there is at least one.

        It is kept, since an object is looked for in several frames before it is remembered anew.
        """
        return Memory(*(np.concatenate(values, axis=1) for values in zip(*map(_values, self.memories))))

    def learned(self, frame: int, memory: Memory, capacity: int) -> ObjectMemory:
        """With one more frame, at most `capacity` in all; the last one again takes its own place."""
        frames, memories = self.frames, self.memories
        if frames and frames[-1] == frame:
            frames, memories = frames[:-1], memories[:-1]
        frames, memories = (*frames, frame), (*memories, memory)
        while len(frames) > capacity:
            frames, memories = frames[:1] + frames[2:], memories[:1] + memories[2:]
        return ObjectMemory(frames, memories)


def joined(objects: Sequence[ObjectMemory | None], library: Any) -> Memory | None:
    """The memories of several objects as one batch, or None if nothing is remembered of any.

    library: numpy or torch, whose arrays the memories are
    """
    parts = [known.memories if known else () for known in objects]
    longest = max(map(_positions, parts))
    if longest == 0:
        return None
    like = next(memories[0] for memories in parts if memories)
    rows = [_row(memories, longest, like, library) for memories in parts]
    return Memory(*(library.concatenate(values) for values in zip(*rows)))


def _positions(memories: Sequence[Memory]) -> int:
    """How many positions they hold in all; a frame's number of positions depends on its window's size."""
    return sum(memory.keys.shape[1] for memory in memories)


def _row(memories: Sequence[Memory], longest: int, like: Memory, library: Any) -> tuple[Array, ...]:
    """One object's memories end to end, padded to `longest` positions; padding is not valid."""
    padding = longest - _positions(memories)
    row = []
    for values, example in zip(zip(*map(_values, memories)) if memories else [()] * 4, _values(like)):
        if padding:
            nothing = library.zeros_like(example[:, :1])
            values = *values, library.broadcast_to(nothing, (1, padding, *example.shape[2:]))
        row.append(library.concatenate(values, axis=1))
    return tuple(row)


def _values(memory: Memory) -> tuple[Array, ...]:
    return memory.keys, memory.values, memory.inside, memory.valid
