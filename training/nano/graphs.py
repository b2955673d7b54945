"""Exports the parts of the networks as ONNX graphs, which ONNX Runtime runs on a CPU.

A graph contains no weights, but refers to the .safetensors file beside it. So the package contains the weights only
once, and the graphs can be used with other weights.
"""

from __future__ import annotations

import json
import math
import struct
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from sampt_ros.segmenters.nano.click_network import ClickNetwork
from sampt_ros.segmenters.nano.interface import PROMPT_CHANNELS, PROMPT_STRIDE, TOP, Features, Memory
from sampt_ros.segmenters.nano.network import NanoNetwork
from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS

GRAPHS = ("encode", "memorize", "decode", "clicks")
_OPSET = 18  # The oldest that the exporter writes.
_STRIDES = (2, 4, 8, 16, 32)
_MAPS = tuple(f"features{stride}" for stride in _STRIDES)
_BATCH, _SIDE = 2, 160  # Batch size and window side of the example for tracing; the graphs do not depend on them.


def export_graphs(weights: Path, names: Collection[str] = GRAPHS) -> list[Path]:
    """Write the graphs of these names beside a .safetensors file of the network's weights; returns their paths.

    The click network's weights are in clicks.safetensors beside it. The graphs accept any number of windows whose side
    is any multiple of 32 pixels, from 96 on, and a memory of any length.
    """
    parts = _parts(NanoNetwork().eval().requires_grad_(False), ClickNetwork().eval().requires_grad_(False))
    written = []
    for name in names:
        part, arguments, shapes, inputs, outputs = parts[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # The exporter warns of the names that it gives to sizes.
            program = torch.onnx.export(
                part,
                arguments,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=inputs,
                output_names=outputs,
                opset_version=_OPSET,
                optimize=False,  # Optimization would merge weights into constants with other names.
                verbose=False,
            )
        assert program is not None
        graph = program.model_proto
        _replace_cast_like(graph)
        file = weights.with_name(CLICK_WEIGHTS.name) if name == "clicks" else weights
        _refer_to_weights(graph, _byte_ranges(file), file.name)
        path = weights.with_name(f"{name}.onnx")
        path.write_bytes(graph.SerializeToString())
        written.append(path)
    return written


class _Encode(nn.Module):
    def __init__(self, network: NanoNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return self.network.encode(images.permute(0, 3, 1, 2)).maps


class _Memorize(nn.Module):
    def __init__(self, network: NanoNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, feature_map: Tensor, masks: Tensor) -> tuple[Tensor, ...]:
        memory = self.network.memorize(Features((feature_map,) * len(_STRIDES)), masks)
        return memory.keys, memory.values, memory.inside


class _Decode(nn.Module):
    def __init__(self, network: NanoNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: tuple[Tensor, ...], prompts: Tensor, memory: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        logits, iou_logits = self.network.decode(Features(maps), prompts, Memory(*memory))
        return logits, torch.sigmoid(iou_logits)


class _DecodeClicks(nn.Module):
    def __init__(self, network: ClickNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        logits, iou_logits = self.network(images.permute(0, 3, 1, 2), prompts)
        return logits, torch.sigmoid(iou_logits)


def _parts(
    network: NanoNetwork, clicks: ClickNetwork
) -> dict[str, tuple[nn.Module, tuple[Any, ...], Any, list[str], list[str]]]:
    """For each part by name: the module, an example of its inputs, the free sizes, the names of inputs and outputs."""
    images = torch.zeros(_BATCH, _SIDE, _SIDE + 32, 3, dtype=torch.uint8)
    windows = torch.rand(_BATCH, 3, _SIDE, _SIDE)
    masks = torch.rand(_BATCH, 1, _SIDE, _SIDE)
    features = network.encode(windows)
    memory = network.memorize(features, masks)
    remembered = (memory.keys, memory.values, memory.inside, memory.valid)
    prompts = torch.rand(_BATCH, PROMPT_CHANNELS, _SIDE // PROMPT_STRIDE, _SIDE // PROMPT_STRIDE)

    batch, cells = torch.export.Dim("batch"), torch.export.Dim("cells", min=3)  # Cells per side at stride 32.
    high, wide = torch.export.Dim("high", min=3), torch.export.Dim("wide", min=3)
    positions = torch.export.Dim("positions", min=TOP)

    def square(stride: int) -> dict[int, Any]:
        return {0: batch, 2: 32 // stride * cells, 3: 32 // stride * cells}

    free_maps = tuple(square(stride) for stride in _STRIDES)
    memories = ["keys", "values", "inside", "valid"]
    return {
        "encode": (_Encode(network), (images,), ({0: batch, 1: 32 * high, 2: 32 * wide},), ["images"], [*_MAPS]),
        "memorize": (
            _Memorize(network),
            (features.maps[3], masks),
            (square(16), square(1)),
            [_MAPS[3], "masks"],
            memories[:3],
        ),
        "decode": (
            _Decode(network),
            (features.maps, prompts, remembered),
            (free_maps, square(PROMPT_STRIDE), tuple({0: batch, 1: positions} for _ in memories)),
            [*_MAPS, "prompts", *memories],
            ["logits", "scores"],
        ),
        "clicks": (
            _DecodeClicks(clicks),
            (images[:, :_SIDE, :_SIDE], prompts),
            ({0: batch, 1: 32 * cells, 2: 32 * cells}, square(PROMPT_STRIDE)),
            ["images", "prompts"],
            ["logits", "scores"],
        ),
    }


def _byte_ranges(weights: Path) -> dict[str, tuple[int, int]]:
    """For each tensor in a .safetensors file by name: its offset in the file, and its length, bytes."""
    with weights.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header: Mapping[str, Any] = json.loads(file.read(length))
    offsets = {name: entry["data_offsets"] for name, entry in header.items() if name != "__metadata__"}
    return {name: (8 + length + start, end - start) for name, (start, end) in offsets.items()}


def _replace_cast_like(model: onnx.ModelProto) -> None:
    """Replace CastLike nodes, which convert a constant to the type of another tensor, by casts to float32.

    All these tensors are float32. With plain casts, ONNX Runtime knows the limits of a ReLU6 before it runs, and can
    compute it within the convolution; otherwise it converts the convolution's result to another layout and back.
    """
    for node in model.graph.node:
        if node.op_type == "CastLike":
            cast = helper.make_node("Cast", node.input[:1], node.output, node.name, to=TensorProto.FLOAT)
            node.CopyFrom(cast)


def _refer_to_weights(model: onnx.ModelProto, stored: Mapping[str, tuple[int, int]], file: str) -> None:
    """Replace a graph's own weights by references to the half-precision weights in `file`.

    stored: byte ranges of the weights in the file, by name
    """
    graph = model.graph
    constants = [tensor for tensor in graph.initializer if not tensor.name.startswith("network.")]
    weights = [tensor for tensor in graph.initializer if tensor.name.startswith("network.")]
    referring, casts = [], []
    for tensor in weights:
        name = tensor.name.removeprefix("network.")
        start, length = stored[name]
        assert tensor.data_type == TensorProto.FLOAT and length == 2 * math.prod(tensor.dims)
        reference = TensorProto(
            name=name, data_type=TensorProto.FLOAT16, dims=tensor.dims, data_location=TensorProto.EXTERNAL
        )
        for key, value in (("location", file), ("offset", start), ("length", length)):
            reference.external_data.add(key=key, value=str(value))
        referring.append(reference)
        casts.append(helper.make_node("Cast", [name], [tensor.name], f"{name}.float", to=TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend([*referring, *constants])
    graph.node.extend([*casts, *nodes])
    for node in graph.node:
        del node.metadata_props[:]
    del graph.metadata_props[:], graph.value_info[:]
