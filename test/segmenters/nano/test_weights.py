"""The nano segmenter's weights file."""

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the network runs on")
pytest.importorskip("safetensors", reason="safetensors is missing, which reads the weights")

import numpy as np
from safetensors.numpy import load_file, save_file

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import CheckpointError
from sampt_ros.segmenters import build_segmenter
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.nano.segmenter import Nano
from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS, WEIGHTS


@pytest.mark.parametrize(("weights", "graphs"), [(WEIGHTS, "[!c]*.onnx"), (CLICK_WEIGHTS, "clicks*.onnx")])
def test_the_weights_of_each_network_are_small_enough_to_ship(weights, graphs):
    files = list(WEIGHTS.parent.glob(graphs))
    assert files
    assert sum(path.stat().st_size for path in (weights, *files)) < 12_000_000


@pytest.mark.parametrize("precision", [np.float16, np.float32])
@pytest.mark.parametrize(("parameter", "shipped"), [("checkpoint", WEIGHTS), ("click_checkpoint", CLICK_WEIGHTS)])
def test_other_weights_of_each_network_can_be_given(tmp_path, precision, parameter, shipped):
    path = tmp_path / "mine.safetensors"
    weights = {name: value.astype(precision) for name, value in load_file(shipped).items()}
    save_file({**weights, "decoder.mask.bias": weights["decoder.mask.bias"] - 40}, path)
    config = updated(SamPtConfig(), {"segmenter": "nano", f"nano.{parameter}": str(path), "device": "cpu"})
    image = np.zeros((96, 128, 3), np.uint8)
    image[30:60, 40:90] = 200

    def areas(segmenter):
        """Pixels of the mask at a click, and then of the mask that is followed."""
        click, none = np.array([[60, 45]], np.float32), np.zeros((0, 2), np.float32)
        memory = segmenter.remember(segmenter.encode(Frame(0, image)), LocalMask.of(image[..., 0] > 0), None)
        prompts = [Prompts.pack([click], [none], memories=[each]) for each in (None, memory)]
        return [int(segmenter.decode(segmenter.encode(Frame(1, image)), each).masks().sum()) for each in prompts]

    clicked, followed = areas(build_segmenter(config))
    assert min(areas(Nano())) > 500
    # All logits of the network whose weights are given are lower by 40.
    assert (clicked == 0) == (parameter == "click_checkpoint")
    assert (followed == 0) == (parameter == "checkpoint")


@pytest.mark.parametrize(("parameter", "shipped"), [("checkpoint", WEIGHTS), ("click_checkpoint", CLICK_WEIGHTS)])
@pytest.mark.parametrize("kind", ["missing file", "truncated", "a tensor missing", "another shape"])
def test_bad_weights_are_refused(tmp_path, kind, parameter, shipped):
    path = tmp_path / "bad.safetensors"
    weights = load_file(shipped)
    name = next(iter(weights))
    if kind == "truncated":
        path.write_bytes(shipped.read_bytes()[:1000])
    elif kind == "a tensor missing":
        save_file({key: value for key, value in weights.items() if key != name}, path)
    elif kind == "another shape":
        save_file({**weights, name: np.zeros(7, np.float32)}, path)
    with pytest.raises(CheckpointError, match=r"nano|safetensors"):
        Nano(NanoConfig(**{parameter: str(path)}))
