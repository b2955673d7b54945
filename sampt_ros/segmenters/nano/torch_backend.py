"""The nano segmenter's network computed by torch, for a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from sampt_ros.segmenters.nano.backend import NanoBackend
from sampt_ros.segmenters.nano.interface import Features, Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory, joined
from sampt_ros.segmenters.nano.network import NanoNetwork
from sampt_ros.segmenters.nano.weights import nano_weights
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded


class TorchBackend(NanoBackend):
    """Features and memories are tensors on the device."""

    def __init__(self, network: NanoNetwork, device: torch.device) -> None:
        self._device = device
        self._network = network
        self._network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_checkpoint(cls, checkpoint: str = "", device: str = "auto") -> TorchBackend:
        """The weights of a .safetensors file; empty: the package's own. Raises CheckpointError, ConfigError."""
        return cls(load_network(checkpoint), torch_device(device))

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> Features:
        return self._network.encode(uploaded(images, self._device).permute(0, 3, 1, 2))

    def stacked(self, features: Sequence[Features]) -> Features:
        return Features(tuple(torch.cat(maps) for maps in zip(*(each.maps for each in features))))

    @torch.inference_mode()
    def memorize(self, features: Features, mask: np.ndarray) -> Memory:
        return self._network.memorize(features, uploaded(mask, self._device)[None, None])

    @torch.inference_mode()
    def decode(
        self,
        features: Features,
        prompts: Sequence[Callable[[], np.ndarray]],
        memories: Sequence[ObjectMemory | None],
    ) -> tuple[np.ndarray, np.ndarray]:
        memory = joined(memories, torch)
        maps = uploaded(np.stack([compute() for compute in prompts]), self._device)
        logits, iou_logits = self._network.decode(features, maps, memory)
        window_logits, scores = downloaded(logits.float(), torch.sigmoid(iou_logits).float())
        return window_logits, scores

    @torch.inference_mode()
    def directions(self, feature_map: Any) -> np.ndarray:
        return downloaded(functional.normalize(feature_map[0], dim=0).permute(1, 2, 0).contiguous().float())[0]


def load_network(checkpoint: str = "") -> NanoNetwork:
    """The network, ready for inference, with the weights of a .safetensors file; empty: the package's own.

    Raises CheckpointError if they cannot be read.
    """
    network = NanoNetwork().eval().requires_grad_(False)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in nano_weights(checkpoint).items()})
    return network
