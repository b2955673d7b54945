"""The sequences that training draws from, each for a follower of an object in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from training.nano.learning.follower import Follower, chosen_object, drawn_frames, mirrored
from training.nano.learning.parts import KINDS, PARTS, Part
from training.nano.sequence import read_sequence


class Library:
    """Files of sequences, by kind; nothing here is random but what is drawn.

    counts  how many sequences there are of each kind
    """

    def __init__(self, folder: Path) -> None:
        """Raises FileNotFoundError if there are no sequences in any folder/KIND."""
        self._files = {kind: sorted((folder / kind).glob("*.npz")) for kind in KINDS}
        self._files = {kind: files for kind, files in self._files.items() if files}
        if not self._files:
            raise FileNotFoundError(f"expected sequences (*.npz) in folders {list(KINDS)} of {folder}; got none")

    @property
    def counts(self) -> Mapping[str, int]:
        return {kind: len(files) for kind, files in self._files.items()}

    def follower(self, seed: list[int], guided: float, part: Part = PARTS[0]) -> Follower:
        """A follower of some object in some sequence: always the same one for equal seeds.

        guided: share of followers that get masks made from the true ones; part.habits.guided if that is more

        Raises FileNotFoundError if there are no sequences of the part's kinds.
        """
        habits = part.habits
        rng = np.random.default_rng(seed)
        is_brief = habits.brief > 0 and rng.random() < habits.brief
        kinds = list(self._files)
        shares = np.array([part.mixture.get(kind, 0.0) for kind in kinds])
        if not shares.any():
            raise FileNotFoundError(f"expected sequences of a kind of {dict(part.mixture)}; got {dict(self.counts)}")
        while True:
            files = self._files[kinds[rng.choice(len(kinds), p=shares / shares.sum())]]
            path = files[int(rng.integers(len(files)))]
            with np.load(path) as arrays:
                count = sum(name.startswith("image") for name in arrays.files)
            frames = [int(rng.integers(count))] if is_brief else drawn_frames(count, rng)
            sequence = read_sequence(path, frames)
            names = chosen_object(sequence.labels[0], rng)
            if habits.starts[2] == 0:  # A follower of two objects always starts with a mask.
                names = names[:1]
            if names:
                break
        if rng.random() < 0.5:
            sequence = mirrored(sequence)
        return Follower(sequence, names, rng, habits, max(guided, habits.guided))
