"""Training of the nano segmenter: resumable, on a GPU or on a CPU."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from sampt_ros.geometry.crops import draw_points
from sampt_ros.segmenters.nano.interface import HAS_MASK, MASK, NEGATIVE, POSITIVE, Features, Memory
from sampt_ros.segmenters.nano.network import DEEP, NanoNetwork, normalised
from training.nano.library import Library, Samples
from training.nano.pretrained import load_encoder
from training.nano.samples import MEMORIES
from training.nano.sources import ENCODER

AVERAGE = 0.998  # of the weights over the steps
_SAVE_EVERY = 250  # steps
WARM_UP = 200
RATES = {"encoder": 1.5e-4, "rest": 6e-4}


@dataclass(frozen=True)
class Recipe:
    """Everything that the weights depend on besides the data."""

    steps: int = 7000
    batch: int = 8
    # Windows shrink where there are many objects, so every size is seen: (pixels, how often).
    sizes: tuple[tuple[int, float], ...] = ((128, 0.1), (160, 0.2), (192, 0.2), (224, 0.15), (256, 0.35))
    seed: int = 0


class Training:
    """A run: the network, the average of its weights, the optimiser, and how far it has come."""

    def __init__(self, work: Path, recipe: Recipe, device: torch.device) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device, self.step = recipe, device, 0
        self.network = NanoNetwork()
        load_encoder(self.network.encoder, work / "downloads" / ENCODER)
        self.network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Edges and textures stay as ImageNet taught them: Encoder.shallow runs without gradients.
        encoder = [weight for block in self.network.encoder.blocks[DEEP:] for weight in block.parameters()]
        rest = [*self.network.memory.parameters(), *self.network.decoder.parameters()]
        groups = [{"params": encoder, "lr": RATES["encoder"]}, {"params": rest, "lr": RATES["rest"]}]
        self.optimiser = torch.optim.AdamW(groups, weight_decay=0.01)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimiser, self._pace)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self._file = work / "training.pt"
        if self._file.exists():
            self._resume()

    def run(self, library: Library, workers: int, stop_at: float = math.inf) -> None:
        """Train to the last step, or until time.time() passes `stop_at`; saved every so often and at the end."""
        recipe, batches = self.recipe, range(self.step, self.recipe.steps)
        samples = Samples(library, recipe.seed, batches, recipe.batch, dict(recipe.sizes))
        loader = DataLoader(samples, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)
        started, first = time.time(), self.step
        sums = np.zeros(4)
        for number, batch in zip(batches, loader):
            sums += self._learn([value.to(self.device, non_blocking=True) for value in batch])
            self.step = number + 1
            if self.step % 50 == 0:
                pace = (time.time() - started) / (self.step - first)
                left = pace * (self.recipe.steps - self.step) / 60
                mask, iou, followed, clicked = sums / 50
                print(
                    f"step {self.step}/{self.recipe.steps}: loss {mask:.3f} + {iou:.3f}, IoU followed {followed:.3f}, "
                    f"clicked {clicked:.3f}, {pace:.2f} s a step, {left:.0f} min left",
                    flush=True,
                )
                sums[:] = 0
            if self.step % _SAVE_EVERY == 0 or self.step == self.recipe.steps:
                self._save()
            if time.time() > stop_at:
                self._save()
                return

    def _pace(self, step: int) -> float:
        """The learning rate, as a share of its highest."""
        progress = min(step / self.recipe.steps, 1.0)
        return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * progress))

    def _learn(self, batch: list[Tensor]) -> np.ndarray:
        """One step. Returns the mask loss, the loss of the predicted IoU, the IoU of followed and clicked objects."""
        window, prompts, truth, known, remembered, masks, memories, clicked = batch
        features = self._encode(window)
        with self._fast():
            memory = self._memorize(remembered, masks, memories)
            logits, rating = self.network.decode(features, prompts, memory)
            loss, iou_loss, iou = _losses(logits, rating, truth, known)
            again = torch.nonzero(clicked)[:, 0]
            if len(again):  # another click where the first one's mask is wrong
                better = corrected(prompts[again], logits[again].detach().float(), truth[again], known[again])
                some = features.select(again)
                logits2, rating2 = self.network.decode(some, better, memory and memory.select(again))
                loss2, iou_loss2, _ = _losses(logits2, rating2, truth[again], known[again])
                loss, iou_loss = loss + 0.5 * loss2 * len(again) / len(iou), iou_loss + 0.5 * iou_loss2
        self.optimiser.zero_grad(set_to_none=True)
        (loss + iou_loss).backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        keep = min(AVERAGE, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        both = [float(iou[which].mean().detach()) if which.any() else math.nan for which in (~clicked, clicked)]
        return np.nan_to_num([float(loss.detach()), float(iou_loss.detach()), *both], nan=0.5)

    def _fast(self) -> torch.autocast:
        """Half precision, where the machine gains from it."""
        gains = self.device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
        return torch.autocast(self.device.type, torch.bfloat16, enabled=gains)

    def _encode(self, windows: Tensor) -> Features:
        """Features of windows (B, S, S, 3) uint8, the shallow ones without gradients."""
        encoder, images = self.network.encoder, normalised(windows.permute(0, 3, 1, 2))
        with torch.no_grad(), self._fast():
            shallow = encoder.shallow(images)
        if self.device.type == "cuda":
            with self._fast():
                return Features((*shallow, *encoder.deep(shallow[-1])))
        # Gradients of depthwise convolutions are slower in bfloat16 on a CPU.
        return Features((*shallow, *encoder.deep(shallow[-1].float())))

    def _memorize(self, remembered: Tensor, masks: Tensor, memories: Tensor) -> Memory | None:
        """The memory of a batch: remembered (B, MEMORIES, S, S, 3), masks (B, MEMORIES, S, S), memories (B,)."""
        there = torch.arange(MEMORIES, device=memories.device) < memories[:, None]
        if not there.any():
            return None
        with torch.no_grad():
            features = self.network.encode(remembered[there].permute(0, 3, 1, 2))
        known = self.network.memorize(features, masks[there][:, None])
        positions = (masks.shape[-1] // 16) ** 2
        rows = len(there)
        joined = []
        for value in (known.keys, known.values, known.inside, known.valid):
            slots = value.new_zeros(rows, MEMORIES, *value.shape[1:])
            slots[there] = value
            joined.append(slots.reshape(rows, MEMORIES * positions, *value.shape[2:]))
        return Memory(*joined)

    def _save(self) -> None:
        state = {
            "recipe": self.recipe.__dict__,
            "step": self.step,
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
        if state["recipe"] != self.recipe.__dict__:
            raise ValueError(f"{self._file} is of another recipe: {state['recipe']}; expected {self.recipe.__dict__}")
        self.step, self.average = state["step"], state["average"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        print(f"resumed at step {self.step}")


def _losses(logits: Tensor, rating: Tensor, truth: Tensor, known: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mask loss, loss of the predicted IoU, and the true IoU (B,)."""
    logits = logits.float()
    # Contours count more: they are few pixels and all that is seen of a mask's quality.
    edge = (functional.avg_pool2d(truth[:, None], 5, 1, 2)[:, 0] - truth).abs()
    weight = known * (1 + 4 * edge)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, truth, weight, reduction="none").mean((1, 2))
    probability = torch.sigmoid(logits) * known
    target = truth * known
    overlap = (probability * target).sum((1, 2))
    dice = 1 - (2 * overlap + 1) / (probability.sum((1, 2)) + target.sum((1, 2)) + 1)
    found, right = (logits > 0) & (known > 0.5), (truth > 0.5) & (known > 0.5)
    union = (found | right).sum((1, 2))
    iou = torch.where(union > 0, (found & right).sum((1, 2)) / union.clamp(min=1), 0.0).detach()
    rated = functional.mse_loss(torch.sigmoid(rating.float()), iou)
    return (2 * cross_entropy + dice).mean(), 2 * rated, iou


def corrected(prompts: Tensor, logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
    """The next prompts (B, 6, S / 4, S / 4): the mask found with these, a click in the middle of its largest error."""
    cells = prompts.shape[-1]
    better = prompts.clone()
    better[:, MASK] = functional.avg_pool2d(torch.tanh(logits / 2)[:, None], 2)[:, 0]
    better[:, HAS_MASK] = 1
    right = functional.avg_pool2d((truth * known)[:, None], 2)[:, 0].cpu().numpy() > 0.5
    unknown = functional.avg_pool2d(known[:, None], 2)[:, 0].cpu().numpy() < 0.5
    found = better[:, MASK].cpu().numpy() > 0
    for row in range(len(prompts)):
        wrong = (found[row] != right[row]) & ~unknown[row]
        _, parts, statistics, _ = cv2.connectedComponentsWithStats(wrong.astype(np.uint8))
        if len(statistics) < 2:
            continue
        largest = parts == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax()
        depth = cv2.distanceTransform(np.pad(largest.astype(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        spot = torch.from_numpy(draw_points(np.array([[x, y]]), cells)).to(better)
        channel = POSITIVE if right[row, y, x] else NEGATIVE
        better[row, channel] = torch.maximum(better[row, channel], spot)
    return better
