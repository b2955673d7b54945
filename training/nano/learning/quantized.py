"""Blocks of convolutions with their numbers rounded to 8 bits, so that the network learns to live with that.

Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from sampt_ros.segmenters.nano.network import InvertedResidual

_LEVELS = 255  # of an activation, from 0 on
_WEIGHT_LEVELS = 127  # of a weight, to both sides of 0


def quantized_block(block: InvertedResidual | nn.Sequential, x: Tensor) -> Tensor:
    """What a block makes of a map (B, C, h, w), as its 8-bit form computes it: for Encoder.deep and for the decoder.

    Inputs, weights and outputs of its convolutions are rounded, the sum at its end is not. Gradients pass through.
    """
    y = x
    for layer in block.layers if isinstance(block, InvertedResidual) else block:
        if isinstance(layer, nn.Conv2d):
            weight = _rounded_weight(layer.weight)
            y = functional.conv2d(_rounded(y), weight, layer.bias, layer.stride, layer.padding, groups=layer.groups)
        else:
            y = layer(y)
    y = _rounded(y)
    return x + y if isinstance(block, InvertedResidual) and block.skip else y


def _rounded(x: Tensor) -> Tensor:
    """Values rounded to 256 steps between the smallest and the largest one; 0 is exact."""
    low, high = torch.aminmax(x.detach().float())
    low, high = low.clamp(max=0), high.clamp(min=0)
    step = ((high - low) / _LEVELS).clamp(min=1e-8)
    zero = torch.round(-low / step).to(torch.int32)
    return torch.fake_quantize_per_tensor_affine(x.float(), step, zero, 0, _LEVELS)


def _rounded_weight(weight: Tensor) -> Tensor:
    """Weights (outputs, ...) rounded to 255 steps about 0, of their own size for each output."""
    largest = weight.detach().flatten(1).abs().amax(1)
    step = (largest / _WEIGHT_LEVELS).clamp(min=1e-8)
    zero = torch.zeros_like(step, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, step, zero, 0, -_WEIGHT_LEVELS, _WEIGHT_LEVELS)
