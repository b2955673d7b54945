"""The nano segmenter's weights, which are in the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from sampt_ros.weights.loading import read_safetensors

# Links are followed, since ONNX Runtime refuses weights that lie elsewhere than the graph that refers to them.
WEIGHTS = Path(__file__).resolve().with_name("nano.safetensors")


def nano_weights(checkpoint: str = "") -> dict[str, np.ndarray]:
    """The network's weights, float16, by their names in its state dict, from a .safetensors file; empty: the package's.

    Raises CheckpointError if they cannot be read.
    """
    shipped = load_file(WEIGHTS)
    return read_safetensors("nano.checkpoint", checkpoint, "the nano segmenter", shipped) if checkpoint else shipped
