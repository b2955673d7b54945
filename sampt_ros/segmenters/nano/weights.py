"""The nano segmenter's weights, which are in the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from sampt_ros.weights.loading import read_safetensors

# Links are followed, since ONNX Runtime refuses weights that lie elsewhere than the graph that refers to them.
WEIGHTS = Path(__file__).resolve().with_name("nano.safetensors")
CLICK_WEIGHTS = WEIGHTS.with_name("clicks.safetensors")


def nano_weights(checkpoint: str = "") -> dict[str, np.ndarray]:
    """The network's weights, float16, by their names in its state dict, from a .safetensors file; empty: the package's.

    Raises CheckpointError if they cannot be read.
    """
    return _weights("nano.checkpoint", checkpoint, "nano segmenter", WEIGHTS)


def click_weights(checkpoint: str = "") -> dict[str, np.ndarray]:
    """The same of the click network."""
    return _weights("nano.click_checkpoint", checkpoint, "nano click network", CLICK_WEIGHTS)


def _weights(parameter: str, checkpoint: str, network: str, file: Path) -> dict[str, np.ndarray]:
    shipped = load_file(file)
    return read_safetensors(parameter, checkpoint, network, shipped) if checkpoint else shipped
