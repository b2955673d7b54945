"""The nano segmenter's networks computed by torch, for a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.segmenters.nano.backend import NanoBackend, PromptMaps
from sampt_ros.segmenters.nano.click_network import ClickNetwork
from sampt_ros.segmenters.nano.interface import Features, Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory, joined
from sampt_ros.segmenters.nano.network import NanoNetwork
from sampt_ros.segmenters.nano.weights import click_weights, nano_weights
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded

_Network = TypeVar("_Network", bound=nn.Module)


class TorchBackend(NanoBackend):
    """Features and memories are tensors on the device."""

    def __init__(self, network: NanoNetwork, clicks: ClickNetwork, device: torch.device) -> None:
        self._device = device
        self._network, self._clicks = network, clicks
        for each in (network, clicks):
            each.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_config(cls, config: NanoConfig | None = None, device: str = "auto") -> TorchBackend:
        """With the weights of a configuration. Raises CheckpointError, ConfigError."""
        config = config or NanoConfig()
        network, clicks = load_network(config.checkpoint), load_click_network(config.click_checkpoint)
        return cls(network, clicks, torch_device(device))

    @torch.inference_mode()
    def encode(self, images: np.ndarray) -> list[Features]:
        encoded = self._network.encode(uploaded(images, self._device).permute(0, 3, 1, 2))
        return [encoded.select(slice(row, row + 1)) for row in range(len(images))]

    @torch.inference_mode()
    def memorize(self, features: Features, mask: np.ndarray) -> Memory:
        return self._network.memorize(features, uploaded(mask, self._device)[None, None])

    @torch.inference_mode()
    def decode(
        self,
        features: Sequence[Features],
        prompts: PromptMaps,
        memories: Sequence[ObjectMemory | None],
    ) -> tuple[np.ndarray, np.ndarray]:
        memory = joined(memories, torch)
        maps = uploaded(np.stack([compute() for compute in prompts]), self._device)
        together = Features(tuple(torch.cat(of_stride) for of_stride in zip(*(each.maps for each in features))))
        return _masks(*self._network.decode(together, maps, memory))

    @torch.inference_mode()
    def decode_clicks(self, images: np.ndarray, prompts: PromptMaps) -> tuple[np.ndarray, np.ndarray]:
        maps = uploaded(np.stack([compute() for compute in prompts]), self._device)
        windows = uploaded(images, self._device).permute(0, 3, 1, 2)
        return _masks(*self._clicks(windows, maps))

    @torch.inference_mode()
    def directions(self, feature_map: Any) -> np.ndarray:
        return downloaded(functional.normalize(feature_map[0], dim=0).permute(1, 2, 0).contiguous().float())[0]


def _masks(logits: Tensor, iou_logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the masks and predicted IoUs, downloaded together."""
    window_logits, scores = downloaded(logits.float(), torch.sigmoid(iou_logits).float())
    return window_logits, scores


def load_network(checkpoint: str = "") -> NanoNetwork:
    """The network, ready for inference, with the weights of a .safetensors file; empty: the package's own.

    Raises CheckpointError if they cannot be read.
    """
    return _filled(NanoNetwork(), nano_weights(checkpoint))


def load_click_network(checkpoint: str = "") -> ClickNetwork:
    """The same of the click network."""
    return _filled(ClickNetwork(), click_weights(checkpoint))


def _filled(network: _Network, weights: Mapping[str, np.ndarray]) -> _Network:
    network.eval().requires_grad_(False)
    network.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return network
