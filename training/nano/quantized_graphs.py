"""Exports ONNX graphs that compute most convolutions in 8 bits, which is faster on CPUs with such instructions."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import onnx
import torch
from onnx import ModelProto
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from safetensors.torch import load_file

from sampt_ros.segmenters.nano.interface import HAS_MASK, MASK
from sampt_ros.segmenters.nano.network import DEEP, NanoNetwork
from training.nano.learning.follower import Look
from training.nano.learning.library import Library
from training.nano.learning.parts import Part

# Matches the names of the weights of the encoder's blocks from stride 8 on, and of the decoder's 3x3 blocks. The
# encoder's earlier blocks would save little time and lose accuracy. Training rounds the same blocks
# (learning/quantized.py).
_IN_8_BITS = re.compile(rf"encoder\.blocks\.(?![0-{DEEP - 1}]\.)\d+\.|decoder\.(prompt(8|16|32)|fuse\d+\.blocks)\.")
_ACTIVATIONS = ("Clip", "Relu")  # The ONNX operators of ReLU6 and ReLU.
_LOOKS, _SIDE = 64, 256  # Number of training samples for calibration, and the side of their windows in pixels.

Feed = dict[str, np.ndarray]


def training_looks(sequences: Path, part: Part) -> list[Look]:
    """Training samples for calibration, always the same: first looks of followers, in windows of 256 pixels a side.

    part: of the training, whose followers they are

    Raises FileNotFoundError if there are no training sequences in that folder.
    """
    library = Library(sequences)
    return [library.follower([0, number], 0.0, part).look(_SIDE) for number in range(_LOOKS)]


def export_quantized_graphs(weights: Path, looks: Sequence[Look]) -> list[Path]:
    """Write encode_int8.onnx and decode_int8.onnx, which contain their weights, beside the other graphs.

    weights  the .safetensors file of the network's weights, with encode.onnx and decode.onnx beside it
    looks    training samples on which the ranges of activations are measured (calibration)
    """
    return [
        _export(weights.with_name("encode.onnx"), ({"images": look.window[None]} for look in looks)),
        _export(weights.with_name("decode.onnx"), _decoder_feeds(weights, looks)),
    ]


def export_quantized_clicks(weights: Path, looks: Sequence[Look]) -> Path:
    """Write clicks_int8.onnx likewise; in every second sample the true mask is given, as a mask is that was found."""
    feeds = ({"images": look.window[None], "prompts": prompts[None]} for look, prompts in zip(looks, _clicked(looks)))
    return _export(weights.with_name("clicks.onnx"), feeds)


def _clicked(looks: Iterable[Look]) -> Iterator[np.ndarray]:
    """The prompts (6, S / 4, S / 4) of these samples, in every second one with the true mask."""
    for number, look in enumerate(looks):
        prompts = look.prompts.copy()
        if number % 2:
            share = cv2.resize(look.truth, prompts.shape[:0:-1], interpolation=cv2.INTER_AREA)
            prompts[MASK], prompts[HAS_MASK] = np.tanh(3 * (2 * share - 1) / 2), 1
        yield prompts


def _export(graph: Path, feeds: Iterable[Feed]) -> Path:
    path = graph.with_name(f"{graph.stem}_int8.onnx")
    with tempfile.TemporaryDirectory() as folder:
        complete, folded = (str(Path(folder) / name) for name in ("complete.onnx", "folded.onnx"))
        onnx.save(onnx.load(graph), complete)  # Loading has read the weights, so this file contains them.
        options = SessionOptions()
        options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = folded
        InferenceSession(complete, options, providers=["CPUExecutionProvider"])
        quantize_static(
            folded,
            path,
            _Feeds(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", *_ACTIVATIONS],
            nodes_to_quantize=_nodes_in_8_bits(onnx.load(folded)),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    return path


def _decoder_feeds(weights: Path, looks: Iterable[Look]) -> Iterator[Feed]:
    """Inputs of the decoder for these samples; in every second one, the memory holds the object of the same window."""
    network = NanoNetwork().eval().requires_grad_(False)
    network.load_state_dict({name: value.float() for name, value in load_file(weights).items()})
    for number, look in enumerate(looks):
        features = network.encode(torch.from_numpy(look.window).permute(2, 0, 1)[None])
        mask = torch.from_numpy(look.truth)[None, None].repeat_interleave(2, 2).repeat_interleave(2, 3)
        memory = network.memorize(features, mask)
        feed = {f"features{2 << level}": values for level, values in enumerate(features.maps)}
        feed |= {"keys": memory.keys, "values": memory.values, "inside": memory.inside}
        feed["valid"] = memory.valid if number % 2 else torch.zeros_like(memory.valid)
        yield {name: value.numpy() for name, value in feed.items()} | {"prompts": look.prompts[None]}


def _nodes_in_8_bits(model: ModelProto) -> list[str]:
    """The names of the convolutions to be computed in 8 bits, and of the activations that follow them."""
    names, outputs = [], set()
    for node in model.graph.node:
        is_convolution = node.op_type == "Conv" and _IN_8_BITS.search(node.input[1])
        if is_convolution or (node.op_type in _ACTIVATIONS and node.input[0] in outputs):
            names.append(node.name)
            outputs.add(node.output[0])
    return names


class _Feeds(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no type annotations
    def __init__(self, feeds: Iterable[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)
