"""The nano segmenter's network, with the weights in the package, on ONNX Runtime and in torch."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the network runs on")

from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.errors import ConfigError
from sampt_ros.geometry.crops import draw_points
from sampt_ros.segmenters.nano.interface import PROMPT_CHANNELS
from sampt_ros.segmenters.nano.memory import ObjectMemory
from sampt_ros.segmenters.nano.onnx_backend import OnnxBackend
from sampt_ros.utils.machine import has_int8_instructions

TOLERANCE = 1e-4  # of feature maps up to 80, and of logits up to 10
# Of the remembered positions only the most similar are read, and rounding decides between two that are equally so.
READ_TOLERANCE = 1e-2  # of logits, where more is remembered than is read


@pytest.fixture(scope="module")
def on_onnx() -> OnnxBackend:
    return OnnxBackend.from_config(NanoConfig(precision="float32"))


@pytest.fixture(scope="module")
def on_torch():
    pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)
    from sampt_ros.segmenters.nano.torch_backend import TorchBackend

    return TorchBackend.from_config(device="cpu")


def masks_and_scores(backend, batch: int, side: int, remembering: list[int]):
    """Of windows and prompts of noise; the objects in these rows remember one window, and the last one two."""
    rng = np.random.default_rng(batch)
    images = rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    prompts = rng.random((batch, PROMPT_CHANNELS, side // 4, side // 4), dtype=np.float32)
    mask = rng.random((side, side), dtype=np.float32)
    features = backend.encode(images)
    known = ObjectMemory().learned(0, backend.memorize(features[0], mask), 3)
    longer = known.learned(5, backend.memorize(backend.encode(images[-1:, :96, :96])[0], mask[:96, :96]), 3)
    memories = [longer if row == batch - 1 else known if row in remembering else None for row in range(batch)]
    described = backend.directions(features[0].maps[3])
    prompt_maps = [partial(np.asarray, maps) for maps in prompts]
    return described, *backend.decode(features, prompt_maps, memories if remembering else [None] * batch)


@pytest.mark.parametrize(
    ("batch", "side", "remembering", "tolerance"),
    [
        (1, 256, [], TOLERANCE),  # a click
        (1, 256, [0], TOLERANCE),
        (3, 160, [0], READ_TOLERANCE),  # several objects, of which the second one remembers nothing
        (2, 96, [0, 1], TOLERANCE),  # the smallest window
    ],
)
def test_both_compute_the_same(on_onnx, on_torch, batch, side, remembering, tolerance):
    for ours, theirs in zip(*(masks_and_scores(each, batch, side, remembering) for each in (on_onnx, on_torch))):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=tolerance)


@pytest.mark.parametrize(("batch", "side"), [(1, 256), (3, 160), (2, 96)])
def test_both_decode_clicks_alike(on_onnx, on_torch, batch, side):
    rng = np.random.default_rng(batch)
    images = rng.integers(0, 256, (batch, side, side, 3), dtype=np.uint8)
    prompts = rng.random((batch, PROMPT_CHANNELS, side // 4, side // 4), dtype=np.float32)
    maps = [partial(np.asarray, each) for each in prompts]
    for ours, theirs in zip(*(backend.decode_clicks(images, maps) for backend in (on_onnx, on_torch))):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_maps_of_a_whole_image_are_the_same(on_onnx, on_torch):
    image = np.random.default_rng(0).integers(0, 256, (1, 96, 160, 3), dtype=np.uint8)
    for ours, theirs in zip(on_onnx.encode(image)[0].maps, on_torch.encode(image)[0].maps):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=TOLERANCE)


@pytest.mark.parametrize("side", [96, 192])  # computed on one thread in any case, and on several
def test_the_number_of_threads_changes_nothing_but_the_time(on_onnx, side):
    several = OnnxBackend.from_config(NanoConfig(precision="float32"), threads=3)
    for ours, theirs in zip(*(masks_and_scores(each, 2, side, [0]) for each in (on_onnx, several))):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE)


def test_memory_that_runs_out_is_told_from_other_errors(on_onnx, monkeypatch):
    class Session:
        message = "Failed to allocate memory for requested buffer of size 1048576"

        def run(self, *arguments):
            raise RuntimeError(self.message)

    monkeypatch.setattr(on_onnx._encode, "_small", Session())
    with pytest.raises(MemoryError, match="1048576"):
        on_onnx.encode(np.zeros((1, 96, 96, 3), np.uint8))
    Session.message = "Unexpected input data type"
    with pytest.raises(RuntimeError, match="Unexpected input"):
        on_onnx.encode(np.zeros((1, 96, 96, 3), np.uint8))


@pytest.mark.parametrize("clicks", [False, True], ids=["decode", "decode_clicks"])
def test_what_8_bits_give_is_nearly_what_float32_gives(on_onnx, clicks):
    image = np.full((256, 256, 3), (90, 120, 60), np.uint8)
    image += np.random.default_rng(0).integers(0, 30, image.shape, dtype=np.uint8)
    cv2.ellipse(image, (128, 120), (60, 45), 20, 0, 360, (200, 60, 50), -1)
    prompts = np.zeros((1, PROMPT_CHANNELS, 64, 64), np.float32)
    prompts[0, 0] = draw_points(np.array([[32.0, 30.0]]), 64)
    on_int8 = OnnxBackend.from_config(NanoConfig(precision="int8"))
    features, rounded = (backend.encode(image[None]) for backend in (on_onnx, on_int8))
    for exact, quantized in zip(features[0].maps, rounded[0].maps):
        assert np.sqrt(np.mean((quantized - exact) ** 2) / np.mean(exact**2)) < 0.15
    prompt_maps = [partial(np.asarray, prompts[0])]
    if clicks:
        (exact, score), (quantized, rated) = (
            backend.decode_clicks(image[None], prompt_maps) for backend in (on_onnx, on_int8)
        )
    else:
        (exact, score), (quantized, rated) = (
            backend.decode(maps, prompt_maps, [None]) for backend, maps in ((on_onnx, features), (on_int8, rounded))
        )
    found, expected = quantized > 0, exact > 0
    assert expected.any()
    assert np.count_nonzero(found & expected) > 0.95 * np.count_nonzero(found | expected)
    assert abs(rated[0] - score[0]) < 0.1


@pytest.mark.parametrize(("flags", "expected"), [("avx2 avx512_vnni", True), ("fma avx_vnni", True), ("avx2", False)])
def test_8_bits_are_the_default_where_the_cpu_computes_them_fast(monkeypatch, flags, expected):
    monkeypatch.setattr(Path, "read_text", lambda path: f"processor : 0\nflags : {flags} sse\n")
    assert has_int8_instructions() is expected


@pytest.mark.parametrize("name", ["checkpoint", "click_checkpoint"])
def test_other_weights_are_not_computed_with_in_8_bits(name):
    config = NanoConfig(precision="int8", **{name: "mine.safetensors"})
    with pytest.raises(ConfigError, match=rf"expected nano\.precision auto or float32 with nano\.{name}; got int8"):
        OnnxBackend.from_config(config)
