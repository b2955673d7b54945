"""Segment Anything in High Quality (HQ-SAM; Ke et al., NeurIPS 2023), from the segment-anything-hq package."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sampt_ros.config.segmenters import SamHqConfig
from sampt_ros.segmenters.sam.decoder import Guidance, decode_tokens, masks_of
from sampt_ros.segmenters.sam.segmenter import Sam, architectures
from sampt_ros.weights.loading import read_weights

_PACKAGE = ("segment_anything_hq", "segment-anything-hq timm torchvision")


class SamHq(Sam):
    """A HQ-SAM model: one more output token draws the details, and its mask is added to SAM's."""

    @classmethod
    def from_checkpoint(cls, config: SamHqConfig, device: str = "auto") -> SamHq:  # type: ignore[override]
        """The model `config.model` with the weights of `config.checkpoint`, as published; raises CheckpointError."""
        model = architectures("sam_hq", *_PACKAGE)[config.model]()
        model.load_state_dict(read_weights("sam_hq.checkpoint", config.checkpoint, config.model, model.state_dict()))
        return cls(model, device, config.precision, config.compile)

    def embed(self, image: Tensor) -> tuple[Tensor, ...]:
        """The features, and the frame's details (1, C / 8, 4h, 4w): early and final features of the encoder, fused."""
        features, intermediate = self._encoder(image.to(self._precision))
        decoder, precision = self.model.mask_decoder, self._decoder_precision
        # The first of the intermediate features come from the encoder's first block with global attention.
        early = intermediate[0].to(precision).permute(0, 3, 1, 2)
        features = features.to(precision)
        return features.float(), decoder.embedding_encoder(features) + decoder.compress_vit_feat(early)

    def candidates(
        self,
        maps: Sequence[Tensor],
        tokens: Tensor,
        valid: Tensor,
        dense: Tensor,
        wanted: slice,
        guidance: Guidance | None = None,
    ) -> tuple[Tensor, Tensor]:
        decoder, (features, details) = self.model.mask_decoder, maps
        outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight, decoder.hf_token.weight])
        found, image = decode_tokens(
            decoder, outputs, features, self._positions, tokens, valid, dense, guidance=guidance
        )
        plain = masks_of(decoder.output_hypernetworks_mlps[wanted], found[:, 1:-1][:, wanted], image)
        fine = decoder.embedding_maskfeature(image.permute(0, 3, 1, 2)) + details
        rating = decoder.iou_prediction_head(found[:, 0])[:, wanted]
        return plain + masks_of([decoder.hf_mlp], found[:, -1:], fine.permute(0, 2, 3, 1)), rating
