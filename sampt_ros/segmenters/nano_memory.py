"""What the nano segmenter remembers of an object: how it looked when it started, and lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from sampt_ros.segmenters.nano_network import Memory


@dataclass(frozen=True, eq=False)
class ObjectMemory:
    """Memories of one object, each of one frame, oldest first; the first one stays, for it is the surest."""

    frames: tuple[int, ...] = ()
    seen: tuple[Memory, ...] = ()

    def wants(self, frame: int, gap: int) -> bool:
        """Whether a frame is worth remembering: the same one again, or one at least `gap` after the last."""
        return not self.frames or frame == self.frames[-1] or frame - self.frames[-1] >= gap

    def learned(self, frame: int, seen: Memory, most: int) -> ObjectMemory:
        """With one more frame, at most `most` in all."""
        frames, memories = self.frames, self.seen
        if frames and frames[-1] == frame:  # corrected
            frames, memories = frames[:-1], memories[:-1]
        frames, memories = (*frames, frame), (*memories, seen)
        while len(frames) > most:
            frames, memories = frames[:1] + frames[2:], memories[:1] + memories[2:]
        return ObjectMemory(frames, memories)


def joined(memories: Sequence[ObjectMemory | None]) -> Memory | None:
    """The memories of several objects as one batch; None if nobody remembers anything."""
    seen = [memory.seen if memory else () for memory in memories]
    longest = max(map(len, seen))
    if longest == 0:
        return None
    like = next(parts[0] for parts in seen if parts)
    rows = [_row(parts, longest, like) for parts in seen]
    return Memory(*(torch.cat(values) for values in zip(*rows)))


def _row(parts: Sequence[Memory], longest: int, like: Memory) -> tuple[torch.Tensor, ...]:
    """One object's memories end to end, padded to `longest` with what is not valid."""
    positions = like.keys.shape[1]
    padding = (longest - len(parts)) * positions
    if not parts:
        parts, padding = [Memory(*(torch.zeros_like(value) for value in _values(like)))], padding - positions
    values = [torch.cat(each, 1) for each in zip(*map(_values, parts))]
    return tuple(_padded(value, padding) for value in values)


def _values(memory: Memory) -> tuple[torch.Tensor, ...]:
    return memory.keys, memory.values, memory.inside, memory.valid


def _padded(value: torch.Tensor, padding: int) -> torch.Tensor:
    return functional.pad(value, (0, 0, 0, padding) if value.ndim == 3 else (0, padding))
