"""What computes the nano segmenter's networks: ONNX Runtime on a CPU, torch on a GPU."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.segmenters.nano.interface import Features, Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory
from sampt_ros.utils.device import network_device

# What computes the maps (6, S / 4, S / 4) of each window.
PromptMaps: TypeAlias = Sequence[Callable[[], np.ndarray]]


class NanoBackend(ABC):
    """The networks with their weights. Features and memories stay in its own arrays, on its device.

    concurrent  whether several threads may compute at once
    """

    concurrent = False

    @abstractmethod
    def encode(self, images: np.ndarray) -> list[Features]:
        """Features of each of n images (n, h, w, 3) uint8 RGB, whose sides are multiples of 32."""

    @abstractmethod
    def memorize(self, features: Features, mask: np.ndarray) -> Memory:
        """The memory of one window (S, S) with a known mask (S, S) float32 0..1."""

    @abstractmethod
    def decode(
        self,
        features: Sequence[Features],
        prompts: PromptMaps,
        memories: Sequence[ObjectMemory | None],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, S / 2, S / 2) float32 of the masks in n windows (S, S), and their predicted IoU (n,) float32 0..1.

        features  of each window
        prompts   what computes each window's maps (6, S / 4, S / 4) float32, see interface.PROMPT_CHANNELS; it may be
                  called in other threads, several at once
        memories  what is remembered of each object, or None
        """

    @abstractmethod
    def decode_clicks(self, images: np.ndarray, prompts: PromptMaps) -> tuple[np.ndarray, np.ndarray]:
        """What `decode` gives, of n objects of which nothing is remembered yet, from the click network.

        images   (n, S, S, 3) uint8 RGB: their windows, which are encoded together with the prompts
        prompts  likewise
        """

    @abstractmethod
    def directions(self, feature_map: object) -> np.ndarray:
        """One map (1, C, h, w) of some features as (h, w, C) float32: a unit vector for each cell."""


def build_backend(config: NanoConfig | None = None, device: str = "cpu", threads: int = 1) -> NanoBackend:
    """The networks on a device, auto, cpu or cuda, with the weights and the precision of a configuration.

    threads: of a CPU that they compute on

    Raises CheckpointError if the weights cannot be read, ConfigError if the device is not there, or if other weights
    are to be computed with in int8.
    """
    config = config or NanoConfig()
    if network_device(device) == "cuda":
        from sampt_ros.segmenters.nano.torch_backend import TorchBackend

        return TorchBackend.from_config(config, device)
    from sampt_ros.segmenters.nano.onnx_backend import OnnxBackend

    return OnnxBackend.from_config(config, threads)
