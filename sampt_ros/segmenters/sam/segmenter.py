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

from sampt_ros.config.segmenters import SamConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import CheckpointError, ConfigError
from sampt_ros.segmenters.base import PADDING, Decoded, Prompts, Segmenter
from sampt_ros.segmenters.sam.attention import fuse_attention
from sampt_ros.segmenters.sam.decoder import Guidance, Tokens, decode_masks, embed_boxes, embed_masks, embed_points
from sampt_ros.utils.cuda_graphs import Graphed, rounded
from sampt_ros.utils.torch_device import (
    SideStream,
    downloaded,
    padded,
    staged,
    torch_device,
    torch_precision,
    uploaded,
)
from sampt_ros.weights.loading import read_weights

_PACKAGE = ("segment_anything", "segment-anything torchvision")
_AT_ONCE_ON_CPU = 2  # objects; what the decoder computes for more does not stay in the caches
_CERTAIN = 10.0  # logit given to a sure pixel of a mask prompt


@dataclass(frozen=True, eq=False)
class SamEmbedding:
    """A frame's image embedding (1, C, h, w), with the sizes (height, width) that lead back to its pixels.

    details  further maps that a relative of SAM decodes from
    """

    features: Tensor
    details: tuple[Tensor, ...]
    image_size: tuple[int, int]
    resized: tuple[int, int]
    model_size: int

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes that `full_logits` needs."""
        return {"model_size": self.model_size, "resized": self.resized, "image_size": self.image_size}

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
        return full_logits(self.logits, **self.embedding.sizes)

    def boxes(self) -> Tensor:
        return _boxes(self.logits, **self.embedding.sizes)

    def masks(self) -> np.ndarray:
        return downloaded(self.full_logits() > 0)[0]

    def scores(self) -> np.ndarray:
        return downloaded(self.iou)[0]

    def results(self) -> tuple[np.ndarray, np.ndarray]:
        masks, scores = downloaded(self.full_logits() > 0, self.iou)
        return masks, scores

    def logits_of(self, rows: Sequence[int]) -> Tensor:
        return self.logits[uploaded(np.array(rows), self.iou.device)]

    def updated(self, rows: Sequence[int], other: Decoded) -> SamDecoded:
        index = uploaded(np.array(rows), self.iou.device)
        return replace(
            self,
            logits=self.logits.index_copy(0, index, other.logits),
            iou=self.iou.index_copy(0, index, other.iou),  # type: ignore[attr-defined]
        )


def full_logits(logits: Tensor, model_size: int, resized: tuple[int, int], image_size: tuple[int, int]) -> Tensor:
    """Logits (B, H, W) at the image's resolution, interpolated from low-resolution ones (B, h, w)."""
    padded = functional.interpolate(logits[:, None], (model_size,) * 2, mode="bilinear", align_corners=False)
    cropped = padded[..., : resized[0], : resized[1]]
    return functional.interpolate(cropped, image_size, mode="bilinear", align_corners=False)[:, 0]


def _scaled_boxes(boxes: Tensor, scale: tuple[float, float]) -> Tensor:
    """Boxes (B, 4) in model pixels; boxes: in image pixels, scale: (x, y) model pixels per image pixel."""
    (scale_x, scale_y), (left, top, right, bottom) = scale, boxes.unbind(1)
    return torch.stack([left * scale_x, top * scale_y, right * scale_x, bottom * scale_y], 1)


def _boxes(logits: Tensor, **sizes: Any) -> Tensor:
    """(B, 4) (x_min, y_min, x_max, y_max) in image pixels of the masks of logits (B, h, w), NaN where one is empty."""
    masks = full_logits(logits, **sizes) > 0
    (left, right), (top, bottom) = _span(masks.any(1)), _span(masks.any(2))
    return torch.stack([left, top, right, bottom], 1)


def _span(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First and last True of each row of (B, n) bool, as float; NaN where there is none."""
    index = torch.arange(occupied.shape[1], dtype=torch.float32, device=occupied.device)
    first = torch.where(occupied, index, torch.inf).amin(1)
    last = torch.where(occupied, index, -torch.inf).amax(1)
    return torch.where(first.isinf(), torch.nan, first), torch.where(last.isinf(), torch.nan, last)


class Sam(Segmenter[SamEmbedding, None]):
    """A SAM model behind the batched prompting interface; on a GPU all objects share one decoder call."""

    embedding_type = SamEmbedding
    guidable = True

    def __init__(self, model: Any, device: str = "auto", precision: str = "auto", compiled: bool = False) -> None:
        """Raises ConfigError if the image encoder is to be compiled and cannot be.

        model: a `segment_anything.modeling.Sam` or an object of the same parts (image_encoder, prompt_encoder,
        mask_decoder, pixel_mean, pixel_std); precision, compiled: of the image encoder, see SamConfig
        """
        self.device = torch_device(device)
        if self.device.type == "cpu":
            self.at_once = _AT_ONCE_ON_CPU
        self.asynchronous = self.device.type == "cuda"
        self.model = model.to(self.device).eval()
        fuse_attention(self.model.image_encoder)
        self._encoder = self.model.image_encoder
        self._lower_precision(torch_precision(precision, self.device))
        self._prepared = Graphed(self.prepare_input, self.device)
        self._stream = SideStream(self.device)
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
        size, resized = self.model.image_encoder.img_size, self.resized(frame.size)
        with self._stream():
            (image,) = self._prepared(staged(frame.image, self.device), resized=resized)
            features, *details = self._embedded(image)
        return self.embedding_type(features, tuple(details), frame.size, resized, size)

    def resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) in the model's input of an image of `size`: its longer side fills the input."""
        ratio = self.model.image_encoder.img_size / max(size)
        return int(size[0] * ratio + 0.5), int(size[1] * ratio + 0.5)

    def prepare_input(self, image: Tensor, resized: tuple[int, int]) -> tuple[Tensor]:
        """The model's input (1, 3, size, size) float32, normalized and padded, of an image (H, W, 3) uint8."""
        size = self.model.image_encoder.img_size
        image = image.permute(2, 0, 1)[None].float()
        if resized != image.shape[2:]:
            image = functional.interpolate(image, resized, mode="bilinear", align_corners=False, antialias=True).round()
        image = (image - self.model.pixel_mean) / self.model.pixel_std
        return (functional.pad(image, (0, size - resized[1], 0, size - resized[0])),)

    def embed(self, image: Tensor) -> tuple[Tensor, ...]:
        """The features (1, C, h, w) float32 of an image from `prepare_input`, and a relative's further maps."""
        return (self._encoder(image.to(self._precision)).float(),)

    @torch.inference_mode()
    def decode(
        self,
        embedding: SamEmbedding,
        prompts: Prompts[None],
        ambiguous: bool = False,
        guidance: Guidance | None = None,
    ) -> SamDecoded:
        boxes, logits = prompts.boxes, prompts.logits
        if boxes is None:
            boxes = torch.full((len(prompts), 4), torch.nan, device=self.device)
        elif isinstance(boxes, np.ndarray):
            boxes = staged(boxes, self.device)
        if logits is None:
            # On a GPU one recording serves calls with and without mask prompts: those without have NaN everywhere.
            shape = self.model.prompt_encoder.mask_input_size if self.device.type == "cuda" else (0, 0)
            logits = torch.full((len(prompts), *shape), torch.nan, device=self.device)
        inputs = (*self._points(embedding, prompts), boxes, logits, *self._maps(embedding))
        options: dict[str, Any] = {"scale": embedding.scale, "ambiguous": ambiguous}
        if guidance is None:
            found, iou = self._decoded(*inputs, **options)
        else:  # Asked for too rarely to be worth a recording.
            found, iou = self._decode(*(each.to(self.device) for each in inputs), **options, guidance=guidance)
        return SamDecoded(found, iou, embedding)

    @torch.inference_mode()
    def refine(self, embedding: SamEmbedding, prompts: Prompts[None], decoded: Decoded, passes: int) -> Decoded:
        if not passes:
            return decoded
        points, maps = self._points(embedding, prompts), self._maps(embedding)
        sizes = {"scale": embedding.scale, **embedding.sizes}
        logits, iou = self._refined(*points, decoded.logits, *maps, passes=passes, **sizes)
        return SamDecoded(logits, iou, embedding)

    def features(self, embedding: SamEmbedding) -> Tensor:
        """The frame's features (C, h, w); a GPU reads them once the encoder is done with them."""
        return self._maps(embedding)[0][0]

    def _maps(self, embedding: SamEmbedding) -> tuple[Tensor, ...]:
        """The maps to decode from; a GPU decodes once the encoder is done with them."""
        maps = (embedding.features, *embedding.details)
        self._stream.join(*maps)
        return maps

    def _points(self, embedding: SamEmbedding, prompts: Prompts[None]) -> tuple[Tensor, Tensor]:
        """The points (B, N, 2) in model pixels, and their labels (B, N)."""
        xy, labels = prompts.xy * np.array(embedding.scale, np.float32), prompts.labels
        if self.device.type == "cuda":  # So that recordings for few numbers of points suffice.
            points = rounded(labels.shape[1])
            xy = padded(xy.swapaxes(0, 1), points).swapaxes(0, 1)
            labels = padded(labels.T, points, PADDING).T
        return staged(xy, self.device), staged(labels, self.device)

    def _decode(
        self,
        xy: Tensor,
        labels: Tensor,
        boxes: Tensor,
        logits: Tensor,
        *maps: Tensor,
        scale: tuple[float, float],
        ambiguous: bool,
        guidance: Guidance | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, h, w) and predicted IoU (B,).

        xy      (B, N, 2) in model pixels, with labels (B, N)
        boxes   (B, 4) in image pixels, NaN where an object has none
        logits  (B, h, w) mask prompts, NaN where an object has none, or an empty tensor for no mask prompts
        maps    as `embed` gives them
        """
        points = embed_points(self.model.prompt_encoder, xy, labels)
        maps = tuple(each.to(self._decoder_precision) for each in maps)
        # The first output is for clear prompts, the others are the nested candidates for ambiguous ones.
        wanted = slice(1, None) if ambiguous else slice(1)
        found, iou = self._masks(points, _scaled_boxes(boxes, scale), logits, maps, wanted, guidance)
        best = iou.argmax(1)
        rows = torch.arange(len(best), device=best.device)
        return found[rows, best], iou[rows, best]

    def _refine(
        self,
        xy: Tensor,
        labels: Tensor,
        logits: Tensor,
        *maps: Tensor,
        scale: tuple[float, float],
        passes: int,
        **sizes: Any,
    ) -> tuple[Tensor, Tensor]:
        """As `_decode`, after `passes` >= 1 passes: each has as prompts the mask and the box of the one before."""
        points = embed_points(self.model.prompt_encoder, xy, labels)
        maps = tuple(each.to(self._decoder_precision) for each in maps)
        for _ in range(passes):
            found, iou = self._masks(points, _scaled_boxes(_boxes(logits, **sizes), scale), logits, maps)
            logits = found[:, 0]
        return logits, iou[:, 0]

    def _masks(
        self,
        points: Tokens,
        boxes: Tensor,
        logits: Tensor,
        maps: Sequence[Tensor],
        wanted: slice = slice(1),
        guidance: Guidance | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, M, h, w) and predicted IoU (B, M) of the `wanted` outputs; boxes: in model pixels."""
        encoder = self.model.prompt_encoder
        tokens, valid = (torch.cat(pair, 1) for pair in zip(points, self.embedded_boxes(boxes)))
        dense = embed_masks(encoder, logits if logits.numel() else None)
        tokens, dense = tokens.to(self._decoder_precision), dense.to(self._decoder_precision)
        guidance = guidance and guidance.to(self._decoder_precision)
        found, iou = self.candidates(maps, tokens, valid, dense, wanted, guidance)
        return found.float(), iou.float()

    def embedded_boxes(self, boxes: Tensor) -> Tokens:
        """The tokens of boxes (B, 4) in model pixels, NaN where an object has none."""
        return embed_boxes(self.model.prompt_encoder, boxes)

    def candidates(
        self,
        maps: Sequence[Tensor],
        tokens: Tensor,
        valid: Tensor,
        dense: Tensor,
        wanted: slice,
        guidance: Guidance | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, M, h, w) and predicted IoU (B, M) of embedded prompts, as `decode_masks` gives them."""
        decoder = self.model.mask_decoder
        return decode_masks(decoder, maps[0], self._positions, tokens, valid, dense, wanted, guidance)

    @torch.inference_mode()
    def mask_prompt(self, embedding: SamEmbedding, masks: Sequence[LocalMask | None]) -> Tensor:
        low = self.model.prompt_encoder.mask_input_size
        prompts = torch.full((len(masks), *low), torch.nan, device=self.device)
        for row, mask in enumerate(masks):
            if mask is None:
                continue
            soft = uploaded(mask.soft(), self.device)[None, None]
            soft = functional.interpolate(soft, embedding.resized, mode="bilinear", align_corners=False)
            height, width = embedding.resized
            soft = functional.pad(soft, (0, embedding.model_size - width, 0, embedding.model_size - height))
            soft = functional.interpolate(soft, low, mode="bilinear", align_corners=False, antialias=True)
            prompts[row] = (2 * soft[0, 0] - 1) * _CERTAIN
        return prompts

    @torch.inference_mode()
    def describe(self, frame: Frame, embedding: SamEmbedding) -> np.ndarray:
        features = self.features(embedding)
        cells = features.shape[-1]
        height, width = (math.ceil(length * cells / embedding.model_size) for length in embedding.resized)
        feature_map = functional.normalize(features[:, :height, :width], dim=0)
        return downloaded(feature_map.permute(1, 2, 0).contiguous())[0]

    def economize(self) -> str:
        if self._precision != torch.float32:
            return ""
        self._lower_precision(torch.bfloat16)
        return "from now on the image encoder computes in bfloat16"

    def _lower_precision(self, precision: torch.dtype) -> None:
        """Let the networks compute in this format; on a CPU the decoder keeps float32, which is as fast there."""
        self._precision = precision
        self._decoder_precision = precision if self.device.type == "cuda" else torch.float32
        self.model.mask_decoder.to(self._decoder_precision)
        with torch.inference_mode():
            self._positions = self.model.prompt_encoder.get_dense_pe().to(self._decoder_precision)
        self.model.image_encoder.to(precision).eval()  # MobileSAM's derives numbers from its weights here
        # Earlier recordings are of networks in the other format.
        self._embedded = Graphed(self.embed, self.device)
        self._decoded, self._refined = Graphed(self._decode, self.device), Graphed(self._refine, self.device)

    @torch.inference_mode()
    def _compile(self) -> None:
        """Compile the encoder, and run it once: the first image shall not wait for it."""
        blocks = getattr(self.model.image_encoder, "blocks", None)
        if blocks is None:
            self._encoder = torch.compile(self.model.image_encoder, dynamic=False)
        else:
            # The blocks are alike, so that code compiled for one serves all.
            for block in blocks:
                block.forward = torch.compile(block.forward, dynamic=False)
        size = self.model.image_encoder.img_size
        try:
            self.embed(torch.zeros(1, 3, size, size, device=self.device))
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0]
            raise ConfigError(f"compile: expected what torch.compile needs on {self.device}: {reason}") from None


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
