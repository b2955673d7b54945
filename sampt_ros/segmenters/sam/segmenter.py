"""Segment Anything (Kirillov et al., ICCV 2023) from the segment-anything package's model classes."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.core import SamConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError, ConfigError
from sampt_ros.segmenters.base import Decoded, Prompts, Segmenter
from sampt_ros.segmenters.sam.decoder import decode_masks, embed_prompts
from sampt_ros.utils.torch_device import torch_device, uploaded
from sampt_ros.weights.loading import read_weights

_PACKAGE = ("segment_anything", "segment-anything torchvision")
_AT_ONCE_ON_CPU = 2  # objects; what the decoder computes for more does not stay in the caches
_CERTAIN = 10.0  # logit given to a sure pixel of a mask prompt


@dataclass(frozen=True, eq=False)
class SamEmbedding:
    """A frame's image embedding (1, C, h, w), with the sizes (height, width) that lead back to its pixels."""

    features: Tensor
    image_size: tuple[int, int]
    resized: tuple[int, int]
    model_size: int

    @property
    def scale(self) -> tuple[float, float]:
        """Model pixels per image pixel, (x, y)."""
        return self.resized[1] / self.image_size[1], self.resized[0] / self.image_size[0]


@dataclass(frozen=True, eq=False)
class SamDecoded(Decoded):
    """Low-resolution logits (B, h, w) and predicted IoU (B,), on the model's device."""

    logits: Tensor
    iou: Tensor
    embedding: SamEmbedding

    def full_logits(self) -> Tensor:
        """(B, H, W) logits at the image's resolution."""
        size = (self.embedding.model_size,) * 2
        padded = functional.interpolate(self.logits[:, None], size, mode="bilinear", align_corners=False)
        height, width = self.embedding.resized
        cropped = padded[..., :height, :width]
        return functional.interpolate(cropped, self.embedding.image_size, mode="bilinear", align_corners=False)[:, 0]

    def boxes(self) -> Tensor:
        masks = self.full_logits() > 0
        (left, right), (top, bottom) = _span(masks.any(1)), _span(masks.any(2))
        return torch.stack([left, top, right, bottom], 1)

    def masks(self) -> np.ndarray:
        return (self.full_logits() > 0).cpu().numpy()

    def scores(self) -> np.ndarray:
        return self.iou.float().cpu().numpy()

    def updated(self, rows: Sequence[int], other: Decoded) -> SamDecoded:
        index = torch.as_tensor(rows, device=self.iou.device)
        return replace(
            self,
            logits=self.logits.index_copy(0, index, other.logits),
            iou=self.iou.index_copy(0, index, other.iou),  # type: ignore[attr-defined]
        )


def _span(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First and last True of each row of (B, n) bool, as float; NaN where there is none."""
    n = occupied.shape[1]
    nan = torch.full((len(occupied),), torch.nan, device=occupied.device)
    first = occupied.int().argmax(1)
    last = n - 1 - occupied.flip(1).int().argmax(1)
    some = occupied.any(1)
    return torch.where(some, first, nan), torch.where(some, last, nan)


class Sam(Segmenter[SamEmbedding, None]):
    """A SAM model behind the batched prompting interface; on a GPU all objects share one decoder call."""

    def __init__(self, model: Any, device: str = "auto", precision: str = "auto", compiled: bool = False) -> None:
        """Raises ConfigError if the image encoder is to be compiled and cannot be.

        model: a `segment_anything.modeling.Sam` or an object of the same parts (image_encoder, prompt_encoder,
        mask_decoder, pixel_mean, pixel_std); precision, compiled: of the image encoder, see SamConfig
        """
        self.device = torch_device(device)
        if self.device.type == "cpu":
            self.at_once = _AT_ONCE_ON_CPU
        self.model = model.to(self.device).eval()
        self._encoder = self.model.image_encoder
        self._lower_precision(_precision(precision, self.device))
        if compiled:
            self._compile()

    @classmethod
    def from_checkpoint(cls, config: SamConfig, device: str = "auto") -> Sam:
        """The model `config.model` with the weights of `config.checkpoint`; raises CheckpointError."""
        model = architectures("sam", *_PACKAGE)[config.model]()
        model.load_state_dict(read_weights("sam.checkpoint", config.checkpoint, config.model, model.state_dict()))
        return cls(model, device, config.precision, config.compile)

    @torch.inference_mode()
    def encode(self, frame: Frame) -> SamEmbedding:
        size = self.model.image_encoder.img_size
        ratio = size / max(frame.size)
        resized = (int(frame.size[0] * ratio + 0.5), int(frame.size[1] * ratio + 0.5))
        image = uploaded(frame.image, self.device).permute(2, 0, 1)[None].float()
        if resized != frame.size:
            image = functional.interpolate(image, resized, mode="bilinear", align_corners=False, antialias=True).round()
        image = (image - self.model.pixel_mean) / self.model.pixel_std
        image = functional.pad(image, (0, size - resized[1], 0, size - resized[0]))
        return self.embed(image, frame.size, resized)

    def embed(self, image: Tensor, image_size: tuple[int, int], resized: tuple[int, int]) -> SamEmbedding:
        """The embedding of an image (1, 3, size, size), normalized and padded as the model takes it."""
        features = self._encoder(image.to(self._precision))
        return SamEmbedding(features.float(), image_size, resized, image.shape[-1])

    @torch.inference_mode()
    def decode(self, embedding: SamEmbedding, prompts: Prompts[None], ambiguous: bool = False) -> SamDecoded:
        scale = torch.tensor(embedding.scale, device=self.device)
        boxes = None
        if prompts.boxes is not None:
            boxes = torch.as_tensor(prompts.boxes, device=self.device) * scale.repeat(2)
        tokens, valid, dense = embed_prompts(
            self.model.prompt_encoder,
            torch.as_tensor(prompts.xy, device=self.device) * scale,
            torch.as_tensor(prompts.labels, device=self.device),
            boxes,
            prompts.logits,
        )
        logits, iou = self.candidates(embedding, tokens, valid, dense)
        # the first output is for clear prompts, the others are the nested candidates for ambiguous ones
        best = iou[:, 1:].argmax(1) + 1 if ambiguous else torch.zeros(len(iou), dtype=torch.long, device=self.device)
        rows = torch.arange(len(iou), device=self.device)
        return SamDecoded(logits[rows, best], iou[rows, best], embedding)

    def candidates(
        self, embedding: SamEmbedding, tokens: Tensor, valid: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, M, h, w) and predicted IoU (B, M) of embedded prompts, as `decode_masks` gives them."""
        positions = self.model.prompt_encoder.get_dense_pe()
        return decode_masks(self.model.mask_decoder, embedding.features, positions, tokens, valid, dense)

    @torch.inference_mode()
    def mask_prompt(self, embedding: SamEmbedding, masks: Sequence[np.ndarray | None]) -> Tensor:
        low = self.model.prompt_encoder.mask_input_size
        prompts = torch.full((len(masks), *low), torch.nan, device=self.device)
        for row, mask in enumerate(masks):
            if mask is None:
                continue
            soft = torch.from_numpy(np.ascontiguousarray(mask, np.float32)).to(self.device)[None, None]
            soft = functional.interpolate(soft, embedding.resized, mode="bilinear", align_corners=False)
            height, width = embedding.resized
            soft = functional.pad(soft, (0, embedding.model_size - width, 0, embedding.model_size - height))
            soft = functional.interpolate(soft, low, mode="bilinear", align_corners=False, antialias=True)
            prompts[row] = (2 * soft[0, 0] - 1) * _CERTAIN
        return prompts

    @torch.inference_mode()
    def describe(self, frame: Frame, embedding: SamEmbedding) -> np.ndarray:
        cells = embedding.features.shape[-1]
        height, width = (math.ceil(length * cells / embedding.model_size) for length in embedding.resized)
        places = functional.normalize(embedding.features[0, :, :height, :width], dim=0)
        return places.permute(1, 2, 0).float().cpu().numpy()

    def economize(self) -> str:
        if self._precision != torch.float32:
            return ""
        self._lower_precision(torch.bfloat16)
        return "from now on the image encoder computes in bfloat16"

    def _lower_precision(self, precision: torch.dtype) -> None:
        """Give the encoder its numbers; what decodes keeps float32, since logits are thresholded."""
        self._precision = precision
        self.model.image_encoder.to(precision).eval()  # MobileSAM's derives numbers from its weights here

    @torch.inference_mode()
    def _compile(self) -> None:
        """Compile the encoder, and run it once: the first image shall not wait for it."""
        self._encoder = torch.compile(self.model.image_encoder, dynamic=False)
        size = self.model.image_encoder.img_size
        try:
            self.embed(torch.zeros(1, 3, size, size, device=self.device), (size, size), (size, size))
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(f"compile: expected what torch.compile needs on {self.device}: {reason}") from None


def _precision(name: str, device: torch.device) -> torch.dtype:
    """What a `precision` parameter means on a device."""
    if name == "auto":
        name = "bfloat16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def architectures(segmenter: str, package: str, install: str) -> Mapping[str, Callable[[], Any]]:
    """What builds the models of a package made as segment_anything is, by name.

    install: what pip calls the package and what it needs. Raises CheckpointError if they are missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # SAM's relatives use old names of other packages
            return importlib.import_module(package).sam_model_registry
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise CheckpointError(
            f"segmenter {segmenter} needs the package {package} (pip install {install}): {error}"
        ) from None
