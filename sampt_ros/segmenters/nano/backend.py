"""What computes the nano segmenter's network: ONNX Runtime on a CPU, torch on a GPU."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from sampt_ros.segmenters.nano.interface import Features, Memory
from sampt_ros.segmenters.nano.memory import ObjectMemory
from sampt_ros.utils.device import network_device


class NanoBackend(ABC):
    """The network with its weights. Features and memories stay in its own arrays, on its device.

    concurrent  whether several threads may compute at once
    """

    concurrent = False

    @abstractmethod
    def encode(self, images: np.ndarray) -> Features:
        """Features of n images (n, h, w, 3) uint8 RGB, whose sides are multiples of 32."""

    @abstractmethod
    def stacked(self, features: Sequence[Features]) -> Features:
        """Features of n >= 1 windows of one size, each given alone, as one batch."""

    @abstractmethod
    def memorize(self, features: Features, mask: np.ndarray) -> Memory:
        """The memory of one window (S, S) with a known mask (S, S) float32 0..1."""

    @abstractmethod
    def decode(
        self,
        features: Features,
        prompts: Sequence[Callable[[], np.ndarray]],
        memories: Sequence[ObjectMemory | None],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits (n, S / 2, S / 2) float32 of the masks in n windows (S, S), and their predicted IoU (n,) float32 0..1.

        prompts   what computes each window's maps (6, S / 4, S / 4) float32, see interface.PROMPT_CHANNELS; it may be
                  called in other threads, several at once
        memories  what is remembered of each object, or None
        """

    @abstractmethod
    def directions(self, feature_map: object) -> np.ndarray:
        """One map (1, C, h, w) of some features as (h, w, C) float32: a unit vector for each cell."""


def build_backend(checkpoint: str = "", device: str = "cpu", threads: int = 1, precision: str = "auto") -> NanoBackend:
    """The network on a device, auto, cpu or cuda, with the weights of a .safetensors file; empty: the package's own.

    threads    of a CPU that it computes on
    precision  on a CPU: see NanoConfig

    Raises CheckpointError if the weights cannot be read, ConfigError if the device is not there, or if other weights
    are to be computed with in int8.
    """
    if network_device(device) == "cuda":
        from sampt_ros.segmenters.nano.torch_backend import TorchBackend

        return TorchBackend.from_checkpoint(checkpoint, device)
    from sampt_ros.segmenters.nano.onnx_backend import OnnxBackend

    return OnnxBackend.from_checkpoint(checkpoint, threads, precision)
