"""GrabCut (Rother et al., SIGGRAPH 2004) as a promptable segmenter: no weights, colours only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from sampt_ros.config import GrabCutConfig
from sampt_ros.segmenters.base import Decoded, Prompts, Segmenter
from sampt_ros.structures import POSITIVE, Frame


@dataclass(frozen=True, eq=False)
class MaskDecoded(Decoded):
    """Masks of B objects as full-resolution logits (B, H, W) float32, with scores (B,)."""

    logits: np.ndarray
    iou: np.ndarray

    def boxes(self) -> np.ndarray:
        boxes = np.full((len(self.logits), 4), np.nan, np.float32)
        for row, mask in enumerate(self.masks()):
            if mask.any():
                x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
                boxes[row] = x, y, x + width - 1, y + height - 1
        return boxes

    def masks(self) -> np.ndarray:
        return self.logits > 0

    def scores(self) -> np.ndarray:
        return self.iou

    def updated(self, rows: Sequence[int], other: Decoded) -> MaskDecoded:
        logits, iou = self.logits.copy(), self.iou.copy()
        logits[rows], iou[rows] = other.logits, other.scores()
        return replace(self, logits=logits, iou=iou)


class GrabCut(Segmenter):
    def __init__(self, config: GrabCutConfig | None = None) -> None:
        self._config = config or GrabCutConfig()

    def encode(self, frame: Frame) -> Frame:
        return frame

    def decode(self, embedding: Frame, prompts: Prompts, ambiguous: bool = False) -> MaskDecoded:
        logits = np.full((len(prompts), *embedding.size), -1, np.float32)
        iou = np.ones(len(prompts), np.float32)
        for row in range(len(prompts)):
            prior = None if prompts.logits is None or np.isnan(prompts.logits[row, 0, 0]) else prompts.logits[row] > 0
            inside = prompts.xy[row][prompts.labels[row] == POSITIVE]
            if prior is None:
                prior = np.zeros(embedding.size, np.uint8)
                if len(inside):
                    cv2.circle(prior, tuple(int(v) for v in inside[0]), 40, 1, -1)
                else:
                    x_min, y_min, x_max, y_max = (int(v) for v in prompts.boxes[row])
                    cv2.rectangle(prior, (x_min, y_min), (x_max, y_max), 1, -1)
            prior = prior.astype(np.uint8)
            if not prior.any():
                continue
            r = max(3, int(0.12 * np.sqrt(prior.sum())))
            k = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1,) * 2)
            tri = np.full(embedding.size, cv2.GC_BGD, np.uint8)
            tri[cv2.dilate(prior, k) > 0] = cv2.GC_PR_BGD
            tri[prior > 0] = cv2.GC_PR_FGD
            tri[cv2.erode(prior, k) > 0] = cv2.GC_FGD
            for (x, y), l in zip(prompts.xy[row].astype(int), prompts.labels[row]):
                if l >= 0:
                    tri[y, x] = cv2.GC_FGD if l == POSITIVE else cv2.GC_BGD
            x, y, w, h = cv2.boundingRect((tri != cv2.GC_BGD).view(np.uint8))
            p = 20
            win = np.s_[max(0, y - p) : y + h + p, max(0, x - p) : x + w + p]
            t = tri[win].copy()
            cv2.setRNGSeed(0)  # grabCut draws from a generator that all of OpenCV shares; a run must repeat exactly
            cv2.grabCut(
                np.ascontiguousarray(embedding.image[win]),
                t,
                None,
                np.zeros((1, 65)),
                np.zeros((1, 65)),
                1,
                cv2.GC_INIT_WITH_MASK,
            )
            logits[row][win] = np.where((t == 1) | (t == 3), 1, -1)
        return MaskDecoded(logits, iou)

    def mask_prompt(self, embedding: Frame, masks: Sequence[np.ndarray | None]) -> np.ndarray:
        missing = np.full(embedding.size, np.nan, np.float32)
        return np.stack([missing if mask is None else 2 * mask - 1 for mask in masks])
