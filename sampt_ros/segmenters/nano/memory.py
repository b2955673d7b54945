"""What the nano segmenter remembers of an object: what it looked like at its start and in the latest frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from sampt_ros.segmenters.nano.network import Memory


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

    def learned(self, frame: int, memory: Memory, capacity: int) -> ObjectMemory:
        """With one more frame, at most `capacity` in all; the last one again takes its own place."""
        frames, memories = self.frames, self.memories
        if frames and frames[-1] == frame:
            frames, memories = frames[:-1], memories[:-1]
        frames, memories = (*frames, frame), (*memories, memory)
        while len(frames) > capacity:
            frames, memories = frames[:1] + frames[2:], memories[:1] + memories[2:]
        return ObjectMemory(frames, memories)


def joined(objects: Sequence[ObjectMemory | None]) -> Memory | None:
    """The memories of several objects as one batch, or None if nothing is remembered of any."""
    parts = [known.memories if known else () for known in objects]
    longest = max(map(_positions, parts))
    if longest == 0:
        return None
    empty = _empty(next(memories[0] for memories in parts if memories))
    rows = [_row(memories or (empty,), longest) for memories in parts]
    return Memory(*(torch.cat(values) for values in zip(*rows)))


def _positions(memories: Sequence[Memory]) -> int:
    """How many positions they hold in all; a frame's number of positions depends on its window's size."""
    return sum(memory.keys.shape[1] for memory in memories)


def _empty(like: Memory) -> Memory:
    """A memory of no positions."""
    return Memory(*(value[:, :0] for value in _values(like)))


def _row(memories: Sequence[Memory], longest: int) -> tuple[torch.Tensor, ...]:
    """One object's memories end to end, padded to `longest` positions; padding is not valid."""
    padding = longest - _positions(memories)
    return tuple(_padded(torch.cat(each, 1), padding) for each in zip(*map(_values, memories)))


def _values(memory: Memory) -> tuple[torch.Tensor, ...]:
    return memory.keys, memory.values, memory.inside, memory.valid


def _padded(value: torch.Tensor, padding: int) -> torch.Tensor:
    return functional.pad(value, (0, 0, 0, padding) if value.ndim == 3 else (0, padding))
