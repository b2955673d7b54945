"""What the nano segmenter remembers of an object: how it looked when it started, and lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from sampt_ros.segmenters.nano.network import Memory


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
    longest = max(map(_positions, seen))
    if longest == 0:
        return None
    nothing = _nothing(next(parts[0] for parts in seen if parts))
    rows = [_row(parts or (nothing,), longest) for parts in seen]
    return Memory(*(torch.cat(values) for values in zip(*rows)))


def _positions(parts: Sequence[Memory]) -> int:
    """How many there are in all; windows of different sizes have different numbers of them."""
    return sum(part.keys.shape[1] for part in parts)


def _nothing(like: Memory) -> Memory:
    return Memory(*(value[:, :0] for value in _values(like)))


def _row(parts: Sequence[Memory], longest: int) -> tuple[torch.Tensor, ...]:
    """One object's memories end to end, padded to `longest` positions with what is not valid."""
    padding = longest - _positions(parts)
    return tuple(_padded(torch.cat(each, 1), padding) for each in zip(*map(_values, parts)))


def _values(memory: Memory) -> tuple[torch.Tensor, ...]:
    return memory.keys, memory.values, memory.inside, memory.valid


def _padded(value: torch.Tensor, padding: int) -> torch.Tensor:
    return functional.pad(value, (0, 0, 0, padding) if value.ndim == 3 else (0, padding))
