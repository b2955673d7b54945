"""Segment Anything in High Quality (HQ-SAM; Ke et al., NeurIPS 2023), from the segment-anything-hq package."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sampt_ros.config.core import SamHqConfig
from sampt_ros.segmenters.sam.decoder import decode_tokens, masks_of
from sampt_ros.segmenters.sam.segmenter import Sam, SamEmbedding, architectures
from sampt_ros.weights.loading import read_weights

_PACKAGE = ("segment_anything_hq", "segment-anything-hq timm torchvision")


@dataclass(frozen=True, eq=False)
class SamHqEmbedding(SamEmbedding):
    """With the frame's fine details (1, C / 8, 4h, 4w): early and final features of the encoder, fused."""

    details: Tensor


class SamHq(Sam):
    """A HQ-SAM model: one more output token draws the details, and its mask is added to SAM's."""

    @classmethod
    def from_checkpoint(cls, config: SamHqConfig, device: str = "auto") -> SamHq:  # type: ignore[override]
        """The model `config.model` with the weights of `config.checkpoint`, as published; raises CheckpointError."""
        model = architectures("sam_hq", *_PACKAGE)[config.model]()
        model.load_state_dict(read_weights("sam_hq.checkpoint", config.checkpoint, config.model, model.state_dict()))
        return cls(model, device, config.precision, config.compile)

    def embed(self, image: Tensor, image_size: tuple[int, int], resized: tuple[int, int]) -> SamHqEmbedding:
        features, intermediate = self._encoder(image.to(self._precision))
        decoder, features = self.model.mask_decoder, features.float()
        early = intermediate[0].float().permute(0, 3, 1, 2)  # after the encoder's first global attention
        details = decoder.embedding_encoder(features) + decoder.compress_vit_feat(early)
        return SamHqEmbedding(features, image_size, resized, image.shape[-1], details)

    def candidates(
        self, embedding: SamEmbedding, tokens: Tensor, valid: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        decoder, positions = self.model.mask_decoder, self.model.prompt_encoder.get_dense_pe()
        outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight, decoder.hf_token.weight])
        found, image = decode_tokens(decoder, outputs, embedding.features, positions, tokens, valid, dense)
        plain = masks_of(decoder.output_hypernetworks_mlps, found[:, 1:-1], image)
        fine = decoder.embedding_maskfeature(image) + embedding.details  # type: ignore[attr-defined]
        return plain + masks_of([decoder.hf_mlp], found[:, -1:], fine), decoder.iou_prediction_head(found[:, 0])
