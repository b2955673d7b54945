"""The nano segmenter's weights, which are in the package."""

from __future__ import annotations

from pathlib import Path

from sampt_ros.segmenters.nano.network import NanoNetwork
from sampt_ros.weights.loading import read_safetensors

WEIGHTS = Path(__file__).with_name("nano.safetensors")


def load_network(checkpoint: str = "") -> NanoNetwork:
    """The network, ready for inference, with the weights of a .safetensors file; empty: the package's own.

    Raises CheckpointError if they cannot be read.
    """
    network = NanoNetwork().eval().requires_grad_(False)
    path = checkpoint or str(WEIGHTS)
    network.load_state_dict(read_safetensors("nano.checkpoint", path, "the nano segmenter", network.state_dict()))
    return network
