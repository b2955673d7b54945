"""Training of the network that finds an object at clicks or in a box: on single frames, and with nothing remembered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sampt_ros.segmenters.nano.click_network import ClickNetwork
from sampt_ros.segmenters.nano.interface import Features
from sampt_ros.segmenters.nano.network import MemoryReader
from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS
from training.nano.learning.following import FollowTraining
from training.nano.learning.losses import losses
from training.nano.learning.parts import CLICKS, CLICKS_AGAIN
from training.nano.learning.pretrained import load_weights
from training.nano.learning.team import Turn
from training.nano.learning.training import Batch, Recipe, Rounded, Seen, Training

_REMEMBERED = "decoder.fuse16.join.0.weight"  # Its last channels are what a memory says.


@dataclass(frozen=True)
class ClickRecipe(Recipe):
    """Most windows are of the full size, since objects are searched for in these."""

    steps: int = 16_000
    sizes: tuple[tuple[int, float], ...] = ((160, 0.1), (192, 0.2), (224, 0.3), (256, 0.4))
    seed: int = 1


class ClickTraining(Training[ClickNetwork]):
    """Objects are clicked, and clicked again where their masks are wrong. It begins with what followers learned."""

    checkpoint = "clicks.pt"
    parts = (CLICKS,)
    parts_again = (CLICKS_AGAIN,)
    rounded = Rounded(encoder=19 / 20, decoder=19 / 20)

    def _new_network(self, work: Path) -> ClickNetwork:
        network = ClickNetwork()
        if self.begin is not None:
            load_weights(network, self.begin / CLICK_WEIGHTS.name)
            return network
        followed = torch.load(work / FollowTraining.checkpoint, map_location="cpu", weights_only=True)["average"]
        followed[_REMEMBERED] = followed[_REMEMBERED][:, : -MemoryReader.channels]
        begins = {name: value for name, value in followed.items() if not name.startswith("memory.")}
        begins |= {f"prompt.{name}": value for name, value in network.prompt.state_dict().items()}
        network.load_state_dict(begins)
        return network

    def _taught(self) -> list[nn.Module]:
        return [self.network.prompt, self.network.decoder]

    def _learn(self, batch: Batch, turn: Turn) -> tuple[Tensor, Seen]:
        shallow = self._shallow(batch.windows)
        deep = self._deep(shallow[-1].float() + self.network.prompt(batch.prompts))
        with self._fast():
            features = Features((*shallow, *deep))
            logits, rating = self.network.decoder(features, batch.prompts, None, self._compute[1])
            loss, iou_loss, iou = losses(logits, rating, batch.truth, batch.known, batch.beyond)
        return (loss + iou_loss).mean(), Seen.of(logits, rating, (loss, iou_loss, iou))
