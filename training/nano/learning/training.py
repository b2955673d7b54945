"""What the trainings of both networks have in common: steps, rounds, the average of the weights, checkpoints."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sampt_ros.evaluation.metrics import score_correlation
from sampt_ros.segmenters.nano.click_network import ClickNetwork
from sampt_ros.segmenters.nano.network import DEEP, BlockComputation, NanoNetwork, normalised
from sampt_ros.utils.machine import machine
from training.nano.learning.parts import Part, Place, step_at
from training.nano.learning.quantized import quantized_block
from training.nano.learning.team import GROUPS, Glance, Team, Turn

AVERAGE = 0.998  # of the weights over the steps
RATES = {"encoder": 1.5e-4, "rest": 6e-4}
Network = TypeVar("Network", NanoNetwork, ClickNetwork)


@dataclass(frozen=True)
class Recipe:
    """What one may change; the weights also depend on the data, on the parts, and on the constants of this package."""

    steps: int = 33_000
    batch: int = 8
    # Windows shrink where there are many objects, so every size is seen: (pixels, how often).
    sizes: tuple[tuple[int, float], ...] = ((128, 0.1), (160, 0.2), (192, 0.25), (224, 0.15), (256, 0.3))
    # After so many steps everybody starts anew, so that training can go on from there; saved then.
    round: int = 100
    seed: int = 0
    # Whether it begins with the weights of an earlier training, and practises only what is in `parts_again`.
    again: bool = False


class Batch(NamedTuple):
    """Looks of B followers as tensors on the device; see Look."""

    windows: Tensor
    prompts: Tensor
    truth: Tensor
    known: Tensor
    beyond: Tensor
    first: Tensor

    @classmethod
    def of(cls, turn: Turn, device: torch.device) -> Batch:
        """The looks of a turn, copied: the next ones are written to the same memory while gradients are computed."""
        beyond = torch.tensor([glance.beyond for glance in turn.glances])
        first = torch.tensor([glance.first for glance in turn.glances])
        batch = cls(*(each.to(device, copy=True) for each in (*turn[1:5], beyond, first)))
        return batch._replace(windows=batch.windows.permute(0, 3, 1, 2))


class Seen(NamedTuple):
    """What the network made of B looks.

    logits  (B, S / 2, S / 2) float32 of the masks
    scores  B predicted IoUs
    facts   (3, B) float32: mask losses, losses of the predicted IoUs, true IoUs
    """

    logits: Tensor
    scores: list[float]
    facts: np.ndarray

    @classmethod
    def of(cls, logits: Tensor, rating: Tensor, facts: Sequence[Tensor]) -> Seen:
        """From tensors on the device; rating: (B,) logits of the predicted IoUs."""
        return cls(
            logits.detach().float(),
            torch.sigmoid(rating.detach().float()).tolist(),
            torch.stack([fact.detach() for fact in facts]).cpu().numpy(),
        )


class Rounded(NamedTuple):
    """From which share of the steps on the deep blocks of the encoder, and the decoder's, compute as in 8 bits."""

    encoder: float
    decoder: float

    def first_steps(self, steps: int) -> tuple[int, int]:
        """The first step of each, in a training of so many steps."""
        return step_at(self.encoder, steps), step_at(self.decoder, steps)


ROUNDED_AGAIN = Rounded(encoder=0.75, decoder=0.75)  # The weights have been rounded before.


class Training(ABC, Generic[Network]):
    """A run: the network, the average of its weights, the optimiser, and how far it has come.

    checkpoint  name of its file in the work folder
    parts       what is practised when
    parts_again what is practised instead, where a training begins with the weights of an earlier one
    rounded     when it begins to compute as in 8 bits
    average     of the weights over the last steps
    seconds     what it has taken until now, by device and machine
    """

    checkpoint: str
    parts: tuple[Part, ...]
    parts_again: tuple[Part, ...]
    rounded: Rounded

    def __init__(self, work: Path, recipe: Recipe, device: torch.device, begin: Path | None = None) -> None:
        """Begin, or go on where `work`/`checkpoint` was saved; ValueError if that is of another recipe.

        begin: folder with the weights of an earlier training, if it begins with those (`recipe.again`)
        """
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.begin, self.step = recipe, device, begin, 0
        self.parts, self.rounded = self.practice(recipe.again)
        self.network: Network = self._new_network(work)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        encoder = [weight for block in self.network.encoder.blocks[DEEP:] for weight in block.parameters()]
        rest = [weight for module in self._taught() for weight in module.parameters()]
        groups = [{"params": encoder, "lr": RATES["encoder"]}, {"params": rest, "lr": RATES["rest"]}]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._pace)
        self.average: dict[str, Tensor] = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.seconds: dict[str, float] = {}
        self._file = work / self.checkpoint
        if self._file.exists():
            self._resume()

    @classmethod
    def practice(cls, again: bool) -> tuple[tuple[Part, ...], Rounded]:
        """What is practised, and when numbers begin to be rounded; again: after an earlier training."""
        return (cls.parts_again, ROUNDED_AGAIN) if again else (cls.parts, cls.rounded)

    @abstractmethod
    def _new_network(self, work: Path) -> Network:
        """The network as the training begins."""

    @abstractmethod
    def _taught(self) -> list[nn.Module]:
        """The parts of the network that are trained, besides the encoder."""

    @abstractmethod
    def _learn(self, batch: Batch, turn: Turn) -> tuple[Tensor, Seen]:
        """What the network makes of a batch, and the loss of that."""

    def run(self, library: Path, workers: int, stop_at: float = math.inf) -> None:
        """Train to the last step, or to the end of the round in which time.time() passes `stop_at`.

        library  folder of sequences
        workers  processes that cut windows and carry masks
        """
        started, first = time.time(), self.step
        largest = max(size for size, _ in self.recipe.sizes)
        team = Team(library, self.recipe.batch, largest, workers)
        try:
            while self.step < self.recipe.steps and time.time() < stop_at:
                began = time.time()
                facts = self._round(team)
                place = f"{self.device.type}, {machine()}"
                self.seconds[place] = self.seconds.get(place, 0.0) + time.time() - began
                self._save()
                pace = (time.time() - started) / (self.step - first)
                left = pace * (self.recipe.steps - self.step) / 60
                told = ", ".join(f"{name} {value:.3f}" for name, value in facts.items())
                print(
                    f"step {self.step}/{self.recipe.steps}: {told}, {pace:.2f} s a step, {left:.0f} min left",
                    flush=True,
                )
        finally:
            team.close()

    def _round(self, team: Team) -> dict[str, float]:
        """Some steps with new followers. Returns the means of what `Tally` counts."""
        recipe, first = self.recipe, self.step
        rng = np.random.default_rng([recipe.seed, first, 0])
        sizes, shares = zip(*recipe.sizes)
        team.start([recipe.seed, first], self._guided(), self._place.part)
        for group in range(GROUPS):
            team.call(group, int(rng.choice(sizes, p=shares)))
        tally = Tally()
        while self.step < min(first + recipe.round, recipe.steps):
            turn = team.turn((self.step - first) % GROUPS)
            loss, seen = self._learn(Batch.of(turn, self.device), turn)
            # Its followers go on with their work while the gradients are computed.
            team.call(turn.group, int(rng.choice(sizes, p=shares)), self.step, seen.logits, seen.scores)
            self._descend(loss)
            tally.add(turn.glances, seen)
            self.step += 1
        return tally.means()

    def _guided(self) -> float:
        """The share of followers that do not depend on the network's own masks."""
        return 0.0

    @property
    def _place(self) -> Place:
        return Place.of(self.step, self.recipe.steps, self.parts)

    def _pace(self, step: int) -> float:
        return Place.of(step, self.recipe.steps, self.parts).pace(step)

    @property
    def _compute(self) -> tuple[BlockComputation, BlockComputation]:
        """What the encoder's deep blocks, and the decoder's, make of their inputs."""
        encoder, decoder = (
            quantized_block if self.step >= first else nn.Module.__call__
            for first in self.rounded.first_steps(self.recipe.steps)
        )
        return encoder, decoder

    def _fast(self) -> torch.autocast:
        """Half precision, where the machine gains from it."""
        gains = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=gains)

    def _shallow(self, windows: Tensor) -> tuple[Tensor, ...]:
        """The encoder's maps of strides 2, 4 and 8 of windows (B, 3, S, S) uint8.

        Edges and textures stay as ImageNet taught them, so there are no gradients.
        """
        with torch.no_grad(), self._fast():
            return self.network.encoder.shallow(normalised(windows))

    def _deep(self, x: Tensor) -> tuple[Tensor, ...]:
        """The encoder's maps of strides 16 and 32, from the map of stride 8."""
        compute, _ = self._compute
        if self.device.type == "cuda":
            with self._fast():
                return self.network.encoder.deep(x, compute)
        # Gradients of depthwise convolutions are slower in bfloat16 on a CPU.
        return self.network.encoder.deep(x.float(), compute)

    def _descend(self, loss: Tensor) -> None:
        """One step of the optimiser."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if torch.isfinite(norm):  # One bad batch would spoil all weights for good.
            self.optimiser.step()
        self.schedule.step()
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        weights = self.network.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [weights[name] for name in self.average], 1 - keep)

    def _save(self) -> None:
        state = {
            "recipe": asdict(self.recipe),
            "step": self.step,
            "seconds": self.seconds,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        partial = self._file.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self._file)

    def _resume(self) -> None:
        state = torch.load(self._file, map_location=self.device, weights_only=True)
        if state["recipe"] != asdict(self.recipe):
            raise ValueError(f"{self._file} is of another recipe: {state['recipe']}; expected {asdict(self.recipe)}")
        self.step, self.seconds, self.average = state["step"], state["seconds"], state["average"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        print(f"resumed at step {self.step}")


class Tally:
    """Means over the looks of a round."""

    def __init__(self) -> None:
        self._rows: list[tuple[bool, float, float, float, float]] = []

    def add(self, glances: Sequence[Glance], seen: Seen) -> None:
        """Count a step: its looks, and what the network made of them."""
        for glance, (loss, iou_loss, iou), score in zip(glances, seen.facts.T, seen.scores):
            self._rows.append((glance.first, float(loss), float(iou_loss), float(iou), score))

    def means(self) -> dict[str, float]:
        """By name; the correlation is that of predicted and true IoU."""
        first, loss, iou_loss, iou, score = (np.array(column) for column in zip(*self._rows))
        facts = {"loss": loss.mean(), "score loss": iou_loss.mean()}
        for name, rows in (("IoU clicked", first), ("IoU followed", ~first)):
            facts[name] = iou[rows].mean() if rows.any() else math.nan
        facts["r"] = score_correlation(list(zip(score.tolist(), iou.tolist()))) or 0.0
        return {name: float(value) for name, value in facts.items()}
