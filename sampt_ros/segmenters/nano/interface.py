"""What goes into the nano segmenter's network and what comes out, in arrays of whatever computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

Array: TypeAlias = Any  # An np.ndarray, or a torch.Tensor on the network's device.

PROMPT_STRIDE = 4  # Image pixels a side that one cell of a prompt map covers.
# Channels of the prompt maps: positive points, negative points, the box, the mask prompt, 1 if there is a mask prompt,
# and the other objects' mask prompts.
POSITIVE, NEGATIVE, BOX, MASK, HAS_MASK, RIVALS = range(6)
PROMPT_CHANNELS = 6
TOP = 32  # Each position reads from so many most similar memory positions.


@dataclass(frozen=True, eq=False)
class Features:
    """Feature maps of B windows (S, S): (B, C, S / stride, S / stride) for strides 2, 4, 8, 16 and 32."""

    maps: tuple[Array, ...]

    def select(self, rows: Array | slice) -> Features:
        """The features of some windows."""
        return Features(tuple(feature_map[rows] for feature_map in self.maps))


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered of B objects at n positions of earlier windows.

    keys    (B, n, 64): unit vectors, what each position looks like
    values  (B, n, 96): what the decoder needs to know of each position
    inside  (B, n) 0..1: the object's share of each position
    valid   (B, n) bool: False for padding, where an object remembers less than the others
    """

    keys: Array
    values: Array
    inside: Array
    valid: Array

    def select(self, rows: Array) -> Memory:
        """The memory of some objects."""
        return Memory(self.keys[rows], self.values[rows], self.inside[rows], self.valid[rows])
