"""DINOv2 (Oquab et al., TMLR 2024): features that parts of one kind of thing share, from the transformers package."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.descriptors import DinoV2Config
from sampt_ros.data_types import Frame
from sampt_ros.descriptors.base import Descriptor
from sampt_ros.errors import CheckpointError
from sampt_ros.utils.cuda_graphs import Graphed
from sampt_ros.utils.torch_device import downloaded, staged, torch_device, torch_precision
from sampt_ros.weights import imagenet
from sampt_ros.weights.loading import load_safetensors
from sampt_ros.weights.packages import TESTED, transformers

_TRAINED_SIDE = 518  # Pixels a side of the images that its positional embeddings are for.
_SIZES: dict[str, dict[str, int]] = {
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16},
}
# Parts of names in the published files, and what transformers calls them today.
_RENAMED = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
}


class DinoV2(Descriptor):
    """Describes an image by the last layer's features of its patches."""

    def __init__(self, network: Any, size: int, device: str = "auto", precision: str = "auto") -> None:
        """Raises CheckpointError if the network has not the parts of the transformers that this was tested with.

        network: a `transformers.Dinov2Model`; size: the image's longest side in it, pixels; precision: see DinoV2Config
        """
        try:
            self._patch = int(network.config.patch_size)
        except AttributeError as error:
            raise CheckpointError(
                f"expected a model as in transformers {TESTED}, got {type(network).__name__}: {error}"
            ) from None
        self._device = torch_device(device)
        self._precision = torch_precision(precision, self._device)
        self._network = network.to(self._device, self._precision).eval()
        self._size = size
        colors = (imagenet.MEAN, imagenet.DEVIATION)
        self._colors = [torch.tensor(values).to(self._device)[:, None, None] for values in colors]
        self._described = Graphed(self._describe, self._device)
        self.concurrent = self._device.type == "cpu"  # Recordings for a GPU are one thread's.

    @classmethod
    def from_checkpoint(cls, config: DinoV2Config, device: str = "auto") -> DinoV2:
        """The network `config.model` with the weights of `config.checkpoint`; raises CheckpointError."""
        network = dinov2(config.model)
        name = f"dinov2_{config.model}"
        load_safetensors(network, "dinov2.checkpoint", config.checkpoint, name, renamed=_RENAMED)
        return cls(network, config.size, device, config.precision)

    @torch.inference_mode()
    def describe(self, frame: Frame) -> np.ndarray:
        scale = self._size / max(frame.size)
        cells = tuple(max(1, round(side * scale / self._patch)) for side in frame.size)
        return downloaded(*self._described(staged(frame.image, self._device), cells=cells))[0]

    def _describe(self, image: Tensor, cells: tuple[int, int]) -> tuple[Tensor]:
        """The features (h, w, C) of an image (H, W, 3) uint8, in h x w `cells`."""
        size = tuple(count * self._patch for count in cells)
        pixels = image.permute(2, 0, 1)[None].float()
        pixels = functional.interpolate(pixels, size, mode="bicubic", align_corners=False, antialias=True).round()
        mean, deviation = self._colors
        pixels = (pixels.clamp(0, 255) / 255 - mean) / deviation
        patches = self._network(pixels.to(self._precision)).last_hidden_state[0, 1:]  # The first is of the whole image.
        return (functional.normalize(patches.float(), dim=1).reshape(*cells, -1),)


def dinov2(model: str) -> Any:
    """A `transformers.Dinov2Model`: small, base or large.

    Raises CheckpointError without transformers, or with one whose parts have other names.
    """
    library = transformers("descriptor dinov2", "dino")
    config = library.Dinov2Config(image_size=_TRAINED_SIDE, patch_size=14, layer_norm_eps=1e-6, **_SIZES[model])
    return library.Dinov2Model(config)
