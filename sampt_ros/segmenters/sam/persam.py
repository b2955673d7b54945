"""PerSAM: what SAM needs to know of one object it gets from one picture (Zhang et al., arXiv 2305.03048)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.data_types import LocalMask
from sampt_ros.segmenters.base import Finding, OneShot, Prompts
from sampt_ros.segmenters.sam.decoder import Guidance
from sampt_ros.segmenters.sam.segmenter import Sam, SamEmbedding, full_logits
from sampt_ros.utils.torch_device import downloaded, uploaded

_ENLARGED = 4  # times, before the map of similarities is brought to the image's size
_MIN_DEVIATION = 1e-6  # of similarities, where all places are alike


class PerSam(OneShot[SamEmbedding, Tensor]):
    """Finds and segments an object by a SAM or a relative of it; its target is the object's mean features (C,)."""

    def __init__(self, sam: Sam) -> None:
        self._sam = sam

    @torch.inference_mode()
    def target(self, embedding: SamEmbedding, mask: np.ndarray) -> Tensor:
        return self._sam.features(embedding)[:, self.cells(embedding, mask)].mean(1)

    @torch.inference_mode()
    def cells(self, embedding: SamEmbedding, mask: np.ndarray) -> Tensor:
        """(h, w) bool: the cells of the features that are the object's, whose mask is (H, W) bool.

        At least one is, however small the object.
        """
        picture = np.repeat(255 * mask[..., None].astype(np.uint8), 3, 2)
        (prepared,) = self._sam.prepare_input(uploaded(picture, self._sam.device), embedding.resized)
        height, width = embedding.features.shape[2:]
        inside = functional.interpolate(prepared[:, :1], (height, width), mode="bilinear")[0, 0] > 0
        if inside.any():
            return inside
        prompt = self._sam.mask_prompt(embedding, [LocalMask.of(mask)])
        share = functional.adaptive_avg_pool2d(prompt, (height, width))[0]
        return share == share.max()

    @torch.inference_mode()
    def find(self, embedding: SamEmbedding, target: Tensor, excluded: np.ndarray) -> Finding:
        # Location prior: a point on the object, and one off it.
        similarity = self.similarity(embedding, target)
        xy = location_prior(downloaded(similarity)[0], excluded)
        prompts: Prompts[None] = Prompts.pack([xy[:1].astype(np.float32)], [xy[1:].astype(np.float32)])

        # The first mask, by guided attention and with the target as a semantic prompt.
        guidance = Guidance(self.attention(embedding, similarity), target)
        decoded = self._sam.decode(embedding, prompts, guidance=guidance)

        # Two refinements that choose among the nested candidates: with the mask, then with its box too.
        prompts = replace(prompts, logits=decoded.logits)
        decoded = self._sam.decode(embedding, prompts, ambiguous=True)
        prompts = replace(prompts, logits=decoded.logits, boxes=decoded.boxes())
        masks, scores = self._sam.decode(embedding, prompts, ambiguous=True).results()
        return Finding(xy[0], masks[0], float(scores[0]))

    @torch.inference_mode()
    def similarity(self, embedding: SamEmbedding, target: Tensor) -> Tensor:
        """(H, W) the cosine of each place's features to the target."""
        features = functional.normalize(self._sam.features(embedding), dim=0)
        cosine = torch.einsum("c,chw->hw", functional.normalize(target, dim=0), features)
        enlarged = functional.interpolate(cosine[None, None], scale_factor=_ENLARGED, mode="bilinear")
        return full_logits(enlarged[0], **embedding.sizes)[0]

    @torch.inference_mode()
    def attention(self, embedding: SamEmbedding, similarity: Tensor) -> Tensor:
        """(h * w,) 0..1, how much the attention is drawn to each cell; similarity: (H, W).

        As published, the image without its padding is spread over all cells.
        """
        standardized = (similarity - similarity.mean()) / similarity.std().clamp_min(_MIN_DEVIATION)
        size = embedding.features.shape[2:]
        return functional.interpolate(standardized[None, None], size, mode="bilinear").sigmoid().flatten()


def location_prior(similarity: np.ndarray, excluded: np.ndarray) -> np.ndarray:
    """(2, 2) int pixel xy: where the similarity (H, W) is highest, not in `excluded` (H, W) bool, and where lowest."""
    allowed = np.where(excluded, -np.inf, similarity)
    places = np.unravel_index([allowed.argmax(), similarity.argmin()], similarity.shape)
    return np.stack(places[::-1], 1)
