"""Training of the network that follows objects through sequences as the stream does it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from sampt_ros.segmenters.nano.interface import Features, Memory
from sampt_ros.segmenters.nano.network import NanoNetwork
from sampt_ros.segmenters.nano.weights import WEIGHTS
from training.nano.learning.losses import corrected, losses
from training.nano.learning.parts import FOLLOWING_AGAIN, PARTS
from training.nano.learning.pretrained import load_encoder, load_weights
from training.nano.learning.team import Turn
from training.nano.learning.training import Batch, Rounded, Seen, Training
from training.nano.pictures.sources import ENCODER

ALONE = 3 / 33  # of the steps: until then, ever more of the carried masks are the network's own
_TOGETHER = 8  # Memories are written so many together.
_MEMORY_MAP = 3  # Of the features, the one that is remembered: stride 16.


class FollowTraining(Training[NanoNetwork]):
    """Objects are followed from frame to frame, and remembered."""

    checkpoint = "training.pt"
    parts = PARTS
    parts_again = (FOLLOWING_AGAIN,)
    rounded = Rounded(encoder=17 / 33, decoder=20 / 33)

    def _new_network(self, work: Path) -> NanoNetwork:
        self._notes = Notes()
        network = NanoNetwork()
        if self.begin is None:
            load_encoder(network.encoder, work / "downloads" / ENCODER)
        else:
            load_weights(network, self.begin / WEIGHTS.name)
        return network

    def _taught(self) -> list[nn.Module]:
        return [self.network.memory, self.network.decoder]

    def _guided(self) -> float:
        """All at first, then ever fewer; none where the network has learned to follow already."""
        return 0.0 if self.recipe.again else max(0.0, 1 - self.step / (ALONE * self.recipe.steps))

    def _learn(self, batch: Batch, turn: Turn) -> tuple[Tensor, Seen]:
        shallow = self._shallow(batch.windows)
        features = Features((*shallow, *self._deep(shallow[-1])))
        recalled = self._notes.recalled(turn)
        self._notes.show(turn.group, self.step, features.maps[_MEMORY_MAP].detach().float())
        with self._fast():
            memory = self._memory(recalled, len(turn.glances))
            _, compute = self._compute
            logits, rating = self.network.decode(features, batch.prompts, memory, compute)
            loss, iou_loss, iou = losses(logits, rating, batch.truth, batch.known, batch.beyond)
            total = (loss + iou_loss).mean()
            again = torch.nonzero(batch.first)[:1, 0]
            if len(again):  # One object gets another click where the first one's mask is wrong.
                truth, known, beyond = (each[again] for each in (batch.truth, batch.known, batch.beyond))
                better = corrected(batch.prompts[again], logits[again].detach().float(), truth, known)
                logits2, rating2 = self.network.decode(features.select(again), better, compute=compute)
                loss2, iou_loss2, _ = losses(logits2, rating2, truth, known, beyond)
                total = total + (loss2 + iou_loss2).sum() / len(turn.glances)
        return total, Seen.of(logits, rating, (loss, iou_loss, iou))

    def _memory(self, recalled: list[tuple[int, Note]], rows: int) -> Memory | None:
        """What the network remembers of all objects, written anew so that it learns to write."""
        if not recalled:
            return None
        written = []
        for size in sorted({note.mask.shape[0] for _, note in recalled}):
            group = [(row, note) for row, note in recalled if note.mask.shape[0] == size]
            # Filled up, since convolutions of few different shapes are faster.
            filled = [note for _, note in group] + [group[0][1]] * (-len(group) % _TOGETHER)
            maps = torch.stack([note.features for note in filled])
            masks = torch.from_numpy(np.stack([note.mask for note in filled]))[:, None].to(self.device)
            together = self.network.memorize(Features((maps,) * (_MEMORY_MAP + 1)), masks.float() / 255)
            written.append(([row for row, _ in group], together))
        return side_by_side(written, rows)


class Note(NamedTuple):
    """A look that is remembered: its features (C, S / 16, S / 16), and the mask in it, (S, S) uint8 0..255."""

    features: Tensor
    mask: np.ndarray


class Notes:
    """The features of the looks that followers remember; they stay on the device."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], dict[int, Note]] = {}  # by group and row, then by step
        self._shown: dict[int, tuple[int, Tensor]] = {}

    def show(self, group: int, step: int, features: Tensor) -> None:
        """The features (B, C, h, w) of a group's looks in this step; who remembers them says so in the next turn."""
        self._shown[group] = step, features

    def recalled(self, turn: Turn) -> list[tuple[int, Note]]:
        """The row of the follower, and the note, of all that the network is to be told in this turn, oldest first."""
        found = []
        for row, glance in enumerate(turn.glances):
            before = self._kept.get((turn.group, row), {})
            if glance.mask is not None:
                step, features = self._shown[turn.group]
                before[step] = Note(features[row].clone(), glance.mask)
            kept = {step: before[step] for step in glance.remembered}
            self._kept[turn.group, row] = kept
            if glance.is_recalled:
                found += [(row, note) for note in kept.values()]
        return found


def side_by_side(written: Sequence[tuple[Sequence[int], Memory]], rows: int) -> Memory:
    """The memory of `rows` objects from memories of single looks: those of an object end to end, then padding.

    `sampt_ros.segmenters.nano.memory.joined` makes the same row by row, which is slow for many rows on a GPU.

    written: for looks of each size the objects' rows, and a memory of at least as many looks
    """
    used = [0] * rows  # positions of each row
    places = []
    for owners, memory in written:
        count = memory.keys.shape[1]
        for row in owners:
            places.append((row, used[row], count))
            used[row] += count
    longest = max(used)
    index = np.concatenate([row * longest + start + np.arange(count) for row, start, count in places])

    def together(name: str) -> Tensor:
        parts = [getattr(memory, name)[: len(owners)].flatten(0, 1) for owners, memory in written]
        values = torch.cat(parts)
        where = torch.from_numpy(index).to(values.device)
        padded = values.new_zeros(rows * longest, *values.shape[1:]).index_copy(0, where, values)
        return padded.view(rows, longest, *values.shape[1:])

    return Memory(together("keys"), together("values"), together("inside"), together("valid"))
