"""The graphs that ONNX Runtime runs: training/nano/graphs.py and quantized_graphs.py."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from training_samples import SIZE, follow, right, scene

torch = pytest.importorskip("torch", reason="torch is missing, which trains the network")


def test_exported_graphs_compute_what_those_in_the_package_do(tmp_path):
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f"{module} is missing")
    from onnxruntime import InferenceSession

    from sampt_ros.segmenters.nano.onnx_backend import OnnxBackend
    from sampt_ros.segmenters.nano.weights import WEIGHTS
    from training.nano.graphs import export_graphs

    weights = Path(shutil.copy(WEIGHTS, tmp_path))
    (graph,) = export_graphs(weights, ["memorize"])
    shipped = OnnxBackend.from_config()
    rng = np.random.default_rng(0)
    (features,) = shipped.encode(rng.integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8))
    mask = rng.random((SIZE, SIZE), dtype=np.float32)
    session = InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"features16": features.maps[3], "masks": mask[None, None]})
    memory = shipped.memorize(features, mask)
    for ours, theirs in zip(found, (memory.keys, memory.values, memory.inside)):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_an_exported_graph_of_the_click_network_computes_what_that_in_the_package_does(tmp_path):
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f"{module} is missing")
    from onnxruntime import InferenceSession

    from sampt_ros.config.segmenters import NanoConfig
    from sampt_ros.segmenters.nano.onnx_backend import OnnxBackend
    from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS
    from training.nano.graphs import export_graphs

    shutil.copy(CLICK_WEIGHTS, tmp_path)
    (graph,) = export_graphs(tmp_path / "nano.safetensors", ["clicks"])
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    prompts = rng.random((1, 6, SIZE // 4, SIZE // 4), dtype=np.float32)
    session = InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {"images": images, "prompts": prompts})
    shipped = OnnxBackend.from_config(NanoConfig(precision="float32")).decode_clicks(images, [lambda: prompts[0]])
    for ours, theirs in zip(found, shipped):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_block_in_8_bits_computes_nearly_the_same_and_passes_gradients_on():
    from sampt_ros.segmenters.nano.network import NanoNetwork
    from training.nano.learning.quantized import quantized_block

    torch.manual_seed(0)
    encoder = NanoNetwork().encoder
    x = torch.rand(2, 40, 8, 8)
    for rounded, exact in zip(encoder.deep(x, quantized_block), encoder.deep(x)):
        assert 0 < (rounded - exact).norm() < 0.05 * exact.norm()
        rounded.sum().backward(retain_graph=True)
    assert all(weight.grad is not None for weight in encoder.blocks[14].parameters())
    assert all(weight.grad is None for weight in encoder.blocks[4].parameters())


def test_graphs_in_8_bits_have_rounded_weights_from_stride_8_on_and_in_the_decoders_blocks(tmp_path):
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f"{module} is missing")
    import onnx

    from sampt_ros.segmenters.nano.network import DEEP
    from sampt_ros.segmenters.nano.weights import WEIGHTS
    from training.nano.quantized_graphs import export_quantized_graphs

    weights = Path(shutil.copy(WEIGHTS, tmp_path))
    for name in ("encode.onnx", "decode.onnx"):
        shutil.copy(WEIGHTS.with_name(name), tmp_path)
    looks, _ = follow(scene(), 1, right)
    encoder, decoder = (
        {
            re.sub(r".*(encoder|decoder)\.|\.weight.*", "", tensor.name)
            for tensor in onnx.load(path).graph.initializer
            if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) == 4
        }
        for path in export_quantized_graphs(weights, looks[:2])
    )
    assert {int(name.split(".")[1]) for name in encoder} == set(range(DEEP, 15))
    fused = {"fuse32.blocks.0", "fuse16.blocks.0", "fuse16.blocks.1", "fuse8.blocks.0", "fuse4.blocks.0"}
    assert decoder == {f"prompt{stride}.0" for stride in (8, 16, 32)} | {f"{b}.{i}" for b in fused for i in (0, 2)}


def test_the_click_networks_graph_in_8_bits_leaves_what_the_encoder_sees_of_prompts_exact(tmp_path):
    for module in ("onnx", "onnxruntime", "onnxscript"):
        pytest.importorskip(module, reason=f"{module} is missing")
    import onnx

    from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS
    from training.nano.quantized_graphs import export_quantized_clicks

    for path in (CLICK_WEIGHTS, CLICK_WEIGHTS.with_name("clicks.onnx")):
        shutil.copy(path, tmp_path)
    looks, _ = follow(scene(), 1, right)
    graph = onnx.load(export_quantized_clicks(tmp_path / "nano.safetensors", looks[:2])).graph
    rounded = {tensor.name for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8}
    assert any("encoder.blocks.14" in name for name in rounded)
    assert any("decoder.fuse4.blocks" in name for name in rounded)
    assert not any(name.startswith(("prompt.", "network.prompt.")) for name in rounded)
