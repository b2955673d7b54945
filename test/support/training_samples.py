"""A small sequence to train on, and followers of its object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from synthetic import disk, texture

if TYPE_CHECKING:
    from training.nano.learning.follower import Look
    from training.nano.sequence import Sequence

SIZE = 96  # pixels of a window


def scene(count: int = 5, complete: bool = True) -> Sequence:
    """A red disk that moves to the right over a texture."""
    from training.nano.sequence import Sequence

    sequence = Sequence([], [], complete)
    for frame in range(count):
        mask = disk((50 + 6 * frame, 60), 24)
        image = texture().copy()
        image[mask] = (220, 40, 40)
        sequence.images.append(image)
        sequence.labels.append(mask.astype(np.uint8))
    return sequence


def follow(
    sequence: Sequence,
    seed: int,
    logits_of: Any,
    guided: float = 0.0,
    size: int = SIZE,
    score: float = 0.9,
    **habits: Any,
) -> Any:
    """The looks of a follower whose network answers with `logits_of(look)`."""
    from training.nano.learning.follower import Follower
    from training.nano.learning.parts import Habits

    follower = Follower(sequence, (1,), np.random.default_rng(seed), Habits(**habits), guided)
    looks = []
    while not follower.done:
        look = follower.look(size)
        looks.append(look)
        follower.take(logits_of(look), score, len(looks))
    return looks, follower


def right(look: Look) -> np.ndarray:
    return 20 * look.truth - 10
