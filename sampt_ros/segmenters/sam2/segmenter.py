"""SAM 2 (Ravi et al., 2024) and EdgeTAM (Zhou et al., CVPR 2025) as segmenters of single frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.segmenters import EdgeTamConfig, Sam2Config
from sampt_ros.data_types import Frame
from sampt_ros.segmenters.sam.decoder import Guidance, Tokens, decode_tokens, embed_boxes, masks_of
from sampt_ros.segmenters.sam.segmenter import Sam, SamEmbedding
from sampt_ros.segmenters.sam2.parts import Parts
from sampt_ros.utils.torch_device import downloaded
from sampt_ros.weights.loading import load_safetensors
from sampt_ros.weights.sam2_architectures import VIDEO_TENSORS, edgetam, sam2

_LOGITS = 4  # The image's side in the model is so many times that of a mask's logits.


@dataclass(frozen=True, eq=False)
class Sam2Embedding(SamEmbedding):
    """A frame that was stretched to the model's square, and whose masks are enlarged in one step."""

    @property
    def sizes(self) -> dict[str, Any]:
        side = self.model_size // _LOGITS
        return {"model_size": side, "resized": (side, side), "image_size": self.image_size}


class Sam2(Sam):
    """A SAM 2 behind the batched prompting interface.

    Beside what SAM does, finer maps of the encoder are added where the decoder enlarges, and where the mask for clear
    prompts is not stable, the best of the candidates takes its place.
    """

    embedding_type = Sam2Embedding

    def __init__(self, model: Any, device: str = "auto", precision: str = "auto", compiled: bool = False) -> None:
        """Raises ConfigError if the image encoder is to be compiled and cannot be, CheckpointError for other parts.

        model: a `transformers.Sam2Model` or `EdgeTamModel`; precision, compiled: of the image encoder, see Sam2Config
        """
        parts = Parts(model)
        super().__init__(parts, device, precision, compiled)

    @classmethod
    def from_checkpoint(cls, config: Sam2Config, device: str = "auto") -> Sam2:  # type: ignore[override]
        """SAM 2.1 `config.model` with the weights of `config.checkpoint`; raises CheckpointError."""
        model = sam2(config.model)
        return cls(
            _with_weights(model, "sam2", config.checkpoint, config.model), device, config.precision, config.compile
        )

    def resized(self, size: tuple[int, int]) -> tuple[int, int]:
        return (self.model.image_encoder.img_size,) * 2

    def embed(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(each.float() for each in self._encoder(image.to(self._precision)))

    def embedded_boxes(self, boxes: Tensor) -> Tokens:
        # SAM 2 was trained with the token of an empty point beside a box too.
        tokens, valid = embed_boxes(self.model.prompt_encoder, boxes)
        return tokens, torch.cat([torch.ones_like(valid[:, :1]), valid[:, 1:]], 1)

    def candidates(
        self,
        maps: Sequence[Tensor],
        tokens: Tensor,
        valid: Tensor,
        dense: Tensor,
        wanted: slice,
        guidance: Guidance | None = None,
    ) -> tuple[Tensor, Tensor]:
        decoder, (features, *details) = self.model.mask_decoder, maps
        outputs = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
        found, image = decode_tokens(
            decoder, outputs, features, self._positions, tokens, valid, dense, details, guidance
        )
        masks = masks_of(decoder.output_hypernetworks_mlps, found[:, 2:], image)
        ratings = decoder.iou_prediction_head(found[:, 1])
        if wanted.start is not None:
            return masks[:, wanted], ratings[:, wanted]
        return _stable(masks, ratings, decoder.config)

    @torch.inference_mode()
    def describe(self, frame: Frame, embedding: SamEmbedding) -> np.ndarray:
        features = self.features(embedding)
        cells, longest = features.shape[-1], max(frame.size)
        height, width = (max(1, round(cells * side / longest)) for side in frame.size)
        feature_map = functional.adaptive_avg_pool2d(features, (height, width))
        return downloaded(functional.normalize(feature_map, dim=0).permute(1, 2, 0).contiguous())[0]


class EdgeTam(Sam2):
    """EdgeTAM: SAM 2 with an image encoder made for small devices."""

    @classmethod
    def from_checkpoint(cls, config: EdgeTamConfig, device: str = "auto") -> EdgeTam:  # type: ignore[override]
        """The model with the weights of `config.checkpoint`; raises CheckpointError."""
        model = _with_weights(edgetam(), "edgetam", config.checkpoint, "edgetam")
        return cls(model, device, config.precision, config.compile)


def _with_weights(model: Any, section: str, checkpoint: str, architecture: str) -> Any:
    """The model with the weights of a .safetensors file, which may have those for videos too."""
    load_safetensors(model, f"{section}.checkpoint", checkpoint, architecture, ignored=VIDEO_TENSORS)
    return model


def _stable(masks: Tensor, ratings: Tensor, config: Any) -> tuple[Tensor, Tensor]:
    """The first of the masks (B, 4, h, w), or the one rated best of the others if the first is not stable.

    A mask is stable if its area hardly depends on the threshold. Returns logits (B, 1, h, w) and ratings (B, 1).
    """
    if not config.dynamic_multimask_via_stability:
        return masks[:, :1], ratings[:, :1]
    delta = config.dynamic_multimask_stability_delta
    smaller, larger = ((masks[:, 0] > threshold).sum((1, 2)) for threshold in (delta, -delta))
    stability = torch.where(larger > 0, smaller / larger.clamp_min(1), 1.0)
    chosen = torch.where(stability >= config.dynamic_multimask_stability_thresh, 0, 1 + ratings[:, 1:].argmax(1))
    rows = torch.arange(len(masks), device=masks.device)
    return masks[rows, chosen][:, None], ratings[rows, chosen][:, None]
