"""SegGPT (Wang et al., ICCV 2023), by the transformers package: an object's mask, from its masks in other frames.

It takes no points. So clicks become a first mask by GrabCut, and correct a mask by GrabCut too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.segmenters import SegGptConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.segmenters.base import MaskDecoded, Prompts, Segmenter
from sampt_ros.segmenters.grabcut.segmenter import GrabCut
from sampt_ros.utils.torch_device import downloaded, torch_device, torch_precision, uploaded
from sampt_ros.weights import imagenet
from sampt_ros.weights.loading import load_safetensors
from sampt_ros.weights.packages import transformers

_LEAST = 1e-4  # A pixel is on the object with at least this probability, so that its logit is finite.


@dataclass(frozen=True, eq=False)
class Examples:
    """What an object looked like in the first frame that it is known from, and in the latest ones.

    images, masks  n tensors (3, S, S) each, as the network takes them
    """

    images: tuple[Tensor, ...]
    masks: tuple[Tensor, ...]

    def latest(self, most: int) -> Examples:
        """The first one, and so many of the latest that there are `most` together."""
        dropped = slice(1, max(1, len(self.images) - most + 1))
        images, masks = list(self.images), list(self.masks)
        del images[dropped], masks[dropped]
        return Examples(tuple(images), tuple(masks))


@dataclass(frozen=True, eq=False)
class SegGptEmbedding:
    """A frame, the network's input (3, S, S) for it, and the objects' masks in it that were asked for so far.

    found  by the identity of what is remembered of an object: that, the mask's logits (H, W) float32, and its score
    """

    frame: Frame
    image: Tensor
    found: dict[int, tuple[Examples, np.ndarray, float]] = field(default_factory=dict)


class SegGpt(Segmenter[SegGptEmbedding, Examples]):
    """An object that is remembered is found as its examples show it; points and mask prompts do not matter then."""

    remembers = True

    def __init__(
        self,
        network: Any,
        config: SegGptConfig | None = None,
        device: str = "auto",
        click_segmenter: GrabCut | None = None,
    ) -> None:
        """network: a `transformers.SegGptForImageSegmentation`; click_segmenter: for objects that are not remembered"""
        self._config = config or SegGptConfig()
        self._device = torch_device(device)
        self._precision = torch_precision(self._config.precision, self._device)
        self._network = network.to(self._device, self._precision).eval()
        self._side = network.config.image_size[1]
        self._clicks = click_segmenter or GrabCut()

    @classmethod
    def from_checkpoint(cls, config: SegGptConfig, device: str = "auto", clicks: GrabCut | None = None) -> SegGpt:
        """The network with the weights of `config.checkpoint`; raises CheckpointError."""
        network = seggpt()
        load_safetensors(network, "seggpt.checkpoint", config.checkpoint, "seggpt")
        return cls(network, config, device, clicks)

    @torch.inference_mode()
    def encode(self, frame: Frame) -> SegGptEmbedding:
        # Bytes are scaled on the CPU, as the package does.
        pixels = uploaded(np.ascontiguousarray(frame.image), torch.device("cpu")).permute(2, 0, 1)[None]
        size = (self._side, self._side)
        if pixels.shape[2:] != size:
            pixels = functional.interpolate(pixels, size, mode="bicubic", align_corners=False, antialias=True)
        return SegGptEmbedding(frame, imagenet.normalized(pixels[0].to(self._device).float() / 255))

    def decode(self, embedding: SegGptEmbedding, prompts: Prompts[Examples], ambiguous: bool = False) -> MaskDecoded:
        logits = np.zeros((len(prompts), *embedding.frame.size), np.float32)
        scores = np.zeros(len(prompts), np.float32)
        memories = prompts.memories or [None] * len(prompts)
        for row, examples in enumerate(memories):
            if examples is not None:
                logits[row], scores[row] = self._found(embedding, examples)
        if rows := [row for row, examples in enumerate(memories) if examples is None]:
            clicked = self._clicks.decode(embedding.frame, _some(prompts, rows), ambiguous)
            logits[rows], scores[rows] = clicked.logits, clicked.scores()
        return MaskDecoded(logits, scores)

    def refine(  # type: ignore[override]
        self, embedding: SegGptEmbedding, prompts: Prompts[Examples], decoded: MaskDecoded, passes: int
    ) -> MaskDecoded:
        """The same masks: the network takes neither boxes nor masks of this frame."""
        return decoded

    def mask_prompt(self, embedding: SegGptEmbedding, masks: Sequence[LocalMask | None]) -> np.ndarray:
        return self._clicks.mask_prompt(embedding.frame, masks)

    @torch.inference_mode()
    def remember(self, embedding: SegGptEmbedding, mask: LocalMask, memory: Examples | None) -> Examples | None:
        if not mask.area:
            return memory
        whole = uploaded(mask.soft(), self._device)[None, None]
        square = functional.interpolate(whole, (self._side, self._side), mode="nearest-exact")
        if not square.any():  # So thin that no pixel is left of it.
            square = functional.adaptive_max_pool2d(whole, (self._side, self._side))
        painted = imagenet.normalized(square[0].expand(3, -1, -1))
        before = memory or Examples((), ())
        return Examples((*before.images, embedding.image), (*before.masks, painted)).latest(self._config.memories)

    @torch.inference_mode()
    def _found(self, embedding: SegGptEmbedding, examples: Examples) -> tuple[np.ndarray, float]:
        """Logits (H, W) float32 and score of the object that looks as in the examples."""
        if id(examples) not in embedding.found:
            count = len(examples.images)
            output = self._network(
                pixel_values=embedding.image.expand(count, -1, -1, -1).to(self._precision),
                prompt_pixel_values=torch.stack(examples.images).to(self._precision),
                prompt_masks=torch.stack(examples.masks).to(self._precision),
                feature_ensemble=count > 1,
            )
            # The mask is painted in white below that of the example; from several examples comes the same one.
            painted = output.pred_masks[:1, :, self._side :].float()
            mean, deviation = imagenet.statistics(painted)
            brightness = (painted * deviation + mean).clamp(0, 1).mean(1, keepdim=True)
            whole = functional.interpolate(brightness, embedding.frame.size, mode="bilinear", align_corners=False)
            (probability,) = downloaded(whole[0, 0].clamp(_LEAST, 1 - _LEAST))
            on_object = probability[probability > 0.5]
            score = float(on_object.mean()) if on_object.size else 0.0
            embedding.found[id(examples)] = examples, np.log(probability / (1 - probability)), score
        _, logits, score = embedding.found[id(examples)]
        return logits, score


def seggpt() -> Any:
    """The published `transformers.SegGptForImageSegmentation`.

    Raises CheckpointError without transformers, or with one whose parts have other names.
    """
    library = transformers("segmenter seggpt", "seggpt")
    return library.SegGptForImageSegmentation(library.SegGptConfig())


def _some(prompts: Prompts[Examples], rows: list[int]) -> Prompts[Any]:
    """The prompts of the objects in some rows, without what is remembered of them."""
    boxes = None if prompts.boxes is None else prompts.boxes[rows]
    logits = None if prompts.logits is None else prompts.logits[rows]
    places = {row: place for place, row in enumerate(rows)}
    wholes = [[places[whole] for whole in prompts.wholes[row] if whole in places] for row in rows if prompts.wholes]
    return Prompts(prompts.xy[rows], prompts.labels[rows], boxes, logits, detail=prompts.detail, wholes=wholes)
