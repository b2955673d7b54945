"""The nano segmenter's weights file."""

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the network runs on")
pytest.importorskip("safetensors", reason="safetensors is missing, which reads the weights")

import numpy as np
from safetensors.numpy import load_file, save_file

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.config.segmenters import NanoConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.segmenters import build_segmenter
from sampt_ros.segmenters.base import Prompts
from sampt_ros.segmenters.nano.segmenter import Nano
from sampt_ros.segmenters.nano.weights import WEIGHTS


def test_the_weights_are_small_enough_to_ship():
    files = [WEIGHTS, *WEIGHTS.parent.glob("*.onnx")]
    assert len(files) == 6
    assert sum(path.stat().st_size for path in files) < 12_000_000


@pytest.mark.parametrize("precision", [np.float16, np.float32])
def test_other_weights_can_be_given(tmp_path, precision):
    path = tmp_path / "mine.safetensors"
    weights = {name: value.astype(precision) for name, value in load_file(WEIGHTS).items()}
    save_file({**weights, "decoder.mask.bias": weights["decoder.mask.bias"] - 20}, path)
    config = updated(SamPtConfig(), {"segmenter": "nano", "nano.checkpoint": str(path), "device": "cpu"})
    image = np.zeros((96, 128, 3), np.uint8)
    image[30:60, 40:90] = 200
    prompts = Prompts.pack([np.array([[60, 45]], np.float32)], [np.zeros((0, 2), np.float32)])

    def area(segmenter):
        return segmenter.decode(segmenter.encode(Frame(0, image)), prompts).masks().sum()

    assert area(Nano()) > 500
    assert area(build_segmenter(config)) == 0  # all of its logits are lower by 20


@pytest.mark.parametrize("kind", ["missing file", "truncated", "a tensor missing", "another shape"])
def test_bad_weights_are_refused(tmp_path, kind):
    path = tmp_path / "bad.safetensors"
    weights = load_file(WEIGHTS)
    name = next(iter(weights))
    if kind == "truncated":
        path.write_bytes(WEIGHTS.read_bytes()[:1000])
    elif kind == "a tensor missing":
        save_file({key: value for key, value in weights.items() if key != name}, path)
    elif kind == "another shape":
        save_file({**weights, name: np.zeros(7, np.float32)}, path)
    with pytest.raises(CheckpointError, match=r"nano|safetensors"):
        Nano(NanoConfig(checkpoint=str(path)))
