"""The encoder as an ONNX graph that computes its deep blocks in 8 bits, twice as fast where the CPU can do that."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto
from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from sampt_ros.segmenters.nano.network import DEEP
from training.nano.learning.library import Library

QUANTIZED_GRAPH = "encode_int8.onnx"
_BLOCK = re.compile(r"encoder\.blocks\.(\d+)\.")  # in the name of a weight
_WINDOWS, _SIDE = 64, 256  # Ranges of values are measured on so many windows of the training sequences, pixels a side.


def training_windows(sequences: Path) -> list[np.ndarray]:
    """Windows (256, 256, 3) uint8 RGB as training begins with them, always the same.

    Raises FileNotFoundError if there are no training sequences in that folder.
    """
    library = Library(sequences)
    return [library.follower([0, number], 0.0).look(_SIDE).window for number in range(_WINDOWS)]


def export_quantized_encoder(graph: Path, windows: Sequence[np.ndarray]) -> Path:
    """Write encode_int8.onnx, with its weights in it, beside the graph encode.onnx and its weights.

    Convolutions from stride 8 on take and give 8 bits, as training rounded them (learning/quantized.py). Those before
    are few, and would lose much.

    windows: of equal sides, (S, S, 3) uint8 RGB, on which the ranges of values are measured
    """
    path = graph.with_name(QUANTIZED_GRAPH)
    with tempfile.TemporaryDirectory() as folder:
        complete, folded = (str(Path(folder) / name) for name in ("complete.onnx", "folded.onnx"))
        onnx.save(onnx.load(graph), complete)  # with the weights
        options = SessionOptions()
        options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = folded
        InferenceSession(complete, options, providers=["CPUExecutionProvider"])
        quantize_static(
            folded,
            path,
            _Windows(windows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Clip"],
            nodes_to_quantize=_deep_nodes(onnx.load(folded)),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
    return path


def _deep_nodes(model: ModelProto) -> list[str]:
    """The names of the deep blocks' convolutions, and of the ReLU6 that follow them."""
    names, outputs = [], set()
    for node in model.graph.node:
        block = _BLOCK.search(node.input[1]) if node.op_type == "Conv" else None
        if (block and int(block[1]) >= DEEP) or (node.op_type == "Clip" and node.input[0] in outputs):
            names.append(node.name)
            outputs.add(node.output[0])
    return names


class _Windows(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime says nothing of its types
    def __init__(self, windows: Sequence[np.ndarray]) -> None:
        self._feeds: Iterator[dict[str, np.ndarray]] = ({"images": window[None]} for window in windows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._feeds, None)
