"""Training of the nano segmenter: objects are followed through sequences as the stream does it. Resumable."""

from __future__ import annotations

import math
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from sampt_ros.evaluation.metrics import score_correlation
from sampt_ros.segmenters.nano.interface import Features, Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory, joined
from sampt_ros.segmenters.nano.network import DEEP, NanoNetwork, normalised
from sampt_ros.utils.machine import machine
from training.nano.learning.follower import Follower, Look
from training.nano.learning.library import Library
from training.nano.learning.losses import corrected, losses
from training.nano.learning.parts import Part, Place
from training.nano.learning.pretrained import load_encoder
from training.nano.learning.quantized import quantized_block
from training.nano.pictures.sources import ENCODER

AVERAGE = 0.998  # of the weights over the steps
RATES = {"encoder": 1.5e-4, "rest": 6e-4}
ALONE = 3 / 24  # of the steps: until then, ever more of the carried masks are the network's own
QUANTIZED = 17 / 24  # of the steps: from then on the encoder's deep blocks compute as their 8-bit form does
CHECKPOINT = "training.pt"  # in the work folder
_TOGETHER = 8  # Memories are written so many together.
_MEMORY_MAP = 3  # Of the features, the one that is remembered: stride 16.


@dataclass(frozen=True)
class Recipe:
    """What one may change; the weights also depend on the data, on PARTS, and on the constants of this package."""

    steps: int = 24_000
    batch: int = 8
    # Windows shrink where there are many objects, so every size is seen: (pixels, how often).
    sizes: tuple[tuple[int, float], ...] = ((128, 0.1), (160, 0.2), (192, 0.25), (224, 0.15), (256, 0.3))
    # After so many steps everybody starts anew, so that training can go on from there; saved then.
    round: int = 100
    seed: int = 0


class Training:
    """A run: the network, the average of its weights, the optimiser, and how far it has come.

    average  of the weights over the last steps
    seconds  what it has taken until now, by device and machine
    """

    def __init__(self, work: Path, recipe: Recipe, device: torch.device) -> None:
        """Begin, or go on where `work`/training.pt was saved; ValueError if that is of another recipe."""
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.step = recipe, device, 0
        self.network = NanoNetwork()
        load_encoder(self.network.encoder, work / "downloads" / ENCODER)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Edges and textures stay as ImageNet taught them: Encoder.shallow runs without gradients.
        encoder = [weight for block in self.network.encoder.blocks[DEEP:] for weight in block.parameters()]
        rest = [*self.network.memory.parameters(), *self.network.decoder.parameters()]
        groups = [{"params": encoder, "lr": RATES["encoder"]}, {"params": rest, "lr": RATES["rest"]}]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.01, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._pace)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.seconds: dict[str, float] = {}
        self._file = work / CHECKPOINT
        if self._file.exists():
            self._resume()

    def run(self, library: Library, workers: int, stop_at: float = math.inf) -> None:
        """Train to the last step, or to the end of the round in which time.time() passes `stop_at`.

        workers: threads that cut windows and carry masks
        """
        cv2.setNumThreads(1)
        started, first = time.time(), self.step
        with ThreadPoolExecutor(workers) as pool:
            while self.step < self.recipe.steps and time.time() < stop_at:
                began = time.time()
                facts = self._round(library, pool)
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

    def _round(self, library: Library, pool: ThreadPoolExecutor) -> dict[str, float]:
        """Some steps with new followers. Returns the means of what `Tally` counts."""
        recipe, first = self.recipe, self.step
        rng = np.random.default_rng([recipe.seed, first, 0])
        crew = Crew(library, recipe, first, self._guided(), self._part, pool)
        tally = Tally()
        sizes, shares = zip(*recipe.sizes)
        while self.step < min(first + recipe.round, recipe.steps):
            size = int(rng.choice(sizes, p=shares))
            looks = list(pool.map(Follower.look, crew.followers, repeat(size)))
            logits, scores, features, losses = self._learn(looks, crew.followers)
            tally.add(looks, losses, scores)
            for follower, *seen in zip(crew.followers, logits, scores, features):
                follower.take(*seen)
            crew.relieve()
            self.step += 1
        return tally.means()

    def _guided(self) -> float:
        """The share of followers that do not depend on the network's own masks: all at first, then ever fewer."""
        return max(0.0, 1 - self.step / (ALONE * self.recipe.steps))

    @property
    def _part(self) -> Part:
        return Place.of(self.step, self.recipe.steps).part

    def _pace(self, step: int) -> float:
        return Place.of(step, self.recipe.steps).pace(step)

    def _learn(
        self, looks: list[Look], followers: list[Follower]
    ) -> tuple[np.ndarray, list[float], list[Tensor], np.ndarray]:
        """One step. Returns logits (B, S / 2, S / 2), predicted IoUs, features at stride 16, and _losses' (3, B)."""
        window, prompts, truth, known, beyond, first = (
            torch.from_numpy(np.stack([np.asarray(value) for value in values])).to(self.device)
            for values in zip(*looks)
        )
        beyond = beyond.float()
        features = self._encode(window)
        with self._fast():
            memory = self._memory(followers)
            compute = quantized_block if self._part.rounds_decoder else nn.Module.__call__
            logits, rating = self.network.decode(features, prompts, memory, compute)
            loss, iou_loss, iou = losses(logits, rating, truth, known, beyond)
            total = (loss + iou_loss).mean()
            again = torch.nonzero(first)[:1, 0]
            if len(again):  # One object gets another click where the first one's mask is wrong.
                better = corrected(prompts[again], logits[again].detach().float(), truth[again], known[again])
                logits2, rating2 = self.network.decode(features.select(again), better, compute=compute)
                loss2, iou_loss2, _ = losses(logits2, rating2, truth[again], known[again], beyond[again])
                total = total + (loss2 + iou_loss2).sum() / len(looks)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        if torch.isfinite(norm):  # One bad batch would spoil all weights for good.
            self.optimiser.step()
        self.schedule.step()
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        weights = self.network.state_dict()
        torch._foreach_lerp_(list(self.average.values()), [weights[name] for name in self.average], 1 - keep)
        scores = torch.sigmoid(rating.detach().float()).tolist()
        remembered = list(features.maps[_MEMORY_MAP].detach().float())
        facts = torch.stack([loss.detach(), iou_loss.detach(), iou]).cpu().numpy()
        return logits.detach().float().cpu().numpy(), scores, remembered, facts

    def _fast(self) -> torch.autocast:
        """Half precision, where the machine gains from it."""
        gains = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=gains)

    def _encode(self, windows: Tensor) -> Features:
        """Features of windows (B, S, S, 3) uint8, the shallow ones without gradients."""
        encoder, images = self.network.encoder, normalised(windows.permute(0, 3, 1, 2))
        with torch.no_grad(), self._fast():
            shallow = encoder.shallow(images)
        compute = quantized_block if self.step >= QUANTIZED * self.recipe.steps else nn.Module.__call__
        if self.device.type == "cuda":
            with self._fast():
                return Features((*shallow, *encoder.deep(shallow[-1], compute)))
        # Gradients of depthwise convolutions are slower in bfloat16 on a CPU.
        return Features((*shallow, *encoder.deep(shallow[-1].float(), compute)))

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


class Crew:
    """A batch of followers; who is done is relieved by a new one, which was made ready meanwhile."""

    def __init__(
        self, library: Library, recipe: Recipe, first_step: int, guided: float, part: Part, pool: ThreadPoolExecutor
    ) -> None:
        self._library, self._seed, self._pool = library, [recipe.seed, first_step], pool
        self._guided, self._part = guided, part
        self._hired = 0
        self._waiting: deque[Future[Follower]] = deque()
        for _ in range(2 * recipe.batch):
            self._hire()
        self.followers = [self._waiting.popleft().result() for _ in range(recipe.batch)]

    def relieve(self) -> None:
        """Replace those who are done."""
        for row, follower in enumerate(self.followers):
            if follower.done:
                self._hire()
                self.followers[row] = self._waiting.popleft().result()

    def _hire(self) -> None:
        self._hired += 1
        self._waiting.append(self._pool.submit(self._make, [*self._seed, self._hired]))

    def _make(self, seed: list[int]) -> Follower:
        return self._library.follower(seed, self._guided, self._part)


class Tally:
    """Means over the looks of a round."""

    def __init__(self) -> None:
        self._rows: list[tuple[bool, float, float, float, float]] = []

    def add(self, looks: list[Look], losses: np.ndarray, scores: list[float]) -> None:
        """Count a step: its looks, losses (3, B), and predicted IoUs."""
        for look, (loss, iou_loss, iou), score in zip(looks, losses.T, scores):
            self._rows.append((look.first, float(loss), float(iou_loss), float(iou), score))

    def means(self) -> dict[str, float]:
        """By name; the correlation is that of predicted and true IoU."""
        first, loss, iou_loss, iou, score = (np.array(column) for column in zip(*self._rows))
        facts = {"loss": loss.mean(), "score loss": iou_loss.mean()}
        for name, rows in (("IoU clicked", first), ("IoU followed", ~first)):
            facts[name] = iou[rows].mean() if rows.any() else math.nan
        facts["r"] = score_correlation(list(zip(score.tolist(), iou.tolist()))) or 0.0
        return {name: float(value) for name, value in facts.items()}
