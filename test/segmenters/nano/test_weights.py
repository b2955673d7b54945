"""The nano segmenter's weights file."""

import pytest

pytest.importorskip("torch", reason="torch is missing, which the network runs on")
pytest.importorskip("safetensors", reason="safetensors is missing, which reads the weights")

import torch
from safetensors.torch import load_file, save_file

from sampt_ros.config.core import NanoConfig, SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.errors import CheckpointError
from sampt_ros.segmenters import build_segmenter
from sampt_ros.segmenters.nano.segmenter import Nano
from sampt_ros.segmenters.nano.weights import WEIGHTS


def test_the_weights_are_small_enough_to_ship():
    assert WEIGHTS.stat().st_size < 10_000_000


def test_other_weights_can_be_given(tmp_path):
    weights = load_file(WEIGHTS)
    save_file(weights, tmp_path / "mine.safetensors")
    config = updated(SamPtConfig(), {"segmenter": "nano", "nano.checkpoint": str(tmp_path / "mine.safetensors")})
    assert isinstance(build_segmenter(config), Nano)


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
        save_file({**weights, name: torch.zeros(7)}, path)
    with pytest.raises(CheckpointError, match=r"nano|safetensors"):
        Nano(NanoConfig(checkpoint=str(path)))
