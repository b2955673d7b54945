"""What training minimises, and the click that a person would give next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.geometry.crops import draw_points
from sampt_ros.segmenters.nano.interface import HAS_MASK, MASK, NEGATIVE, POSITIVE
from training.nano.learning.prompts import largest_part, middle

_EDGE = 4.0  # Contours count more, by this factor: they are few pixels and all that is seen of a mask's quality.


def losses(
    logits: Tensor, rating: Tensor, truth: Tensor, known: Tensor, beyond: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask loss (B,), loss (B,) of the predicted IoU, and the true IoU (B,).

    logits, truth, known  (B, h, w); rating (B,) logits of the predicted IoU; beyond (B,) pixels of the truth not shown
    """
    logits = logits.float()
    edge = (functional.avg_pool2d(truth[:, None], 5, 1, 2)[:, 0] - truth).abs()
    weight = known * (1 + _EDGE * edge)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, truth, weight, reduction="none").mean((1, 2))
    probability = torch.sigmoid(logits) * known
    target = truth * known
    overlap = (probability * target).sum((1, 2))
    dice = 1 - (2 * overlap + 1) / (probability.sum((1, 2)) + target.sum((1, 2)) + 1)
    found, right = (logits > 0) & (known > 0.5), (truth > 0.5) & (known > 0.5)
    union = (found | right).sum((1, 2)) + beyond
    iou = torch.where(union > 0, (found & right).sum((1, 2)) / union.clamp(min=1), 0.0).detach()
    return 2 * cross_entropy + dice, 2 * (torch.sigmoid(rating.float()) - iou) ** 2, iou


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
        if not wrong.any():
            continue
        x, y = middle(largest_part(wrong)).astype(int)
        spot = torch.from_numpy(draw_points(np.array([[x, y]]), cells)).to(better)
        channel = POSITIVE if right[row, y, x] else NEGATIVE
        better[row, channel] = torch.maximum(better[row, channel], spot)
    return better
