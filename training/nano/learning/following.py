"""Training of the network that follows objects through sequences as the stream does it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sampt_ros.segmenters.nano.interface import Features, Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory, joined
from sampt_ros.segmenters.nano.network import NanoNetwork
from training.nano.learning.follower import Follower
from training.nano.learning.losses import corrected, losses
from training.nano.learning.parts import PARTS
from training.nano.learning.pretrained import load_encoder
from training.nano.learning.training import Batch, Rounded, Seen, Training
from training.nano.pictures.sources import ENCODER

ALONE = 3 / 33  # of the steps: until then, ever more of the carried masks are the network's own
_TOGETHER = 8  # Memories are written so many together.
_MEMORY_MAP = 3  # Of the features, the one that is remembered: stride 16.


class FollowTraining(Training[NanoNetwork]):
    """Objects are followed from frame to frame, and remembered."""

    checkpoint = "training.pt"
    parts = PARTS
    rounded = Rounded(encoder=17 / 33, decoder=20 / 33)

    def _new_network(self, work: Path) -> NanoNetwork:
        network = NanoNetwork()
        load_encoder(network.encoder, work / "downloads" / ENCODER)
        return network

    def _taught(self) -> list[nn.Module]:
        return [self.network.memory, self.network.decoder]

    def _guided(self) -> float:
        """All at first, then ever fewer."""
        return max(0.0, 1 - self.step / (ALONE * self.recipe.steps))

    def _learn(self, batch: Batch, followers: list[Follower]) -> tuple[Tensor, Seen]:
        shallow = self._shallow(batch.windows)
        features = Features((*shallow, *self._deep(shallow[-1])))
        with self._fast():
            memory = self._memory(followers)
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
                total = total + (loss2 + iou_loss2).sum() / len(followers)
        remembered = list(features.maps[_MEMORY_MAP].detach().float())
        return total, Seen.of(logits, rating, remembered, (loss, iou_loss, iou))

    def _memory(self, followers: list[Follower]) -> Memory | None:
        """What the network remembers of all followers' objects, written anew so that it learns to write."""
        entries = [(row, entry) for row, follower in enumerate(followers) for entry in follower.recalled]
        written: dict[int, list[Memory]] = {row: [] for row in range(len(followers))}
        for size in sorted({entry.mask.shape[0] for _, entry in entries}):
            group = [(row, entry) for row, entry in entries if entry.mask.shape[0] == size]
            # Filled up, since convolutions of few different shapes are faster.
            filled = group + group[:1] * (-len(group) % _TOGETHER)
            maps = torch.stack([entry.features for _, entry in filled])
            masks = torch.from_numpy(np.stack([entry.mask for _, entry in filled]))[:, None].to(self.device)
            together = self.network.memorize(Features((maps,) * (_MEMORY_MAP + 1)), masks)
            for index, (row, _) in enumerate(group):
                written[row].append(together.select(torch.tensor([index], device=self.device)))
        return joined([ObjectMemory(tuple(range(len(each))), tuple(each)) for each in written.values()], torch)
