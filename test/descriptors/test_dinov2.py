"""DINOv2's features against those of transformers itself, and its published files."""

from __future__ import annotations

import importlib.metadata
import sys

import numpy as np
import pytest
from synthetic import texture, two_disks

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch
from safetensors.torch import save_file

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import Frame
from sampt_ros.descriptors import build_descriptor, dinov2
from sampt_ros.descriptors.dinov2 import DinoV2
from sampt_ros.errors import CheckpointError
from sampt_ros.weights.registry import MODELS


@torch.inference_mode()
def published(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """The features (h, w, C) of transformers' own processor and model, as unit vectors."""
    from named_weights import small_dinov2
    from transformers import BitImageProcessor

    processor = BitImageProcessor(  # with the values of DINOv2's preprocessor_config.json, but for the size
        size={"height": height, "width": width},
        do_center_crop=False,
        do_convert_rgb=False,
        resample=3,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    pixels = processor(image, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, height, width)
    features = small_dinov2()(pixels).last_hidden_state[0, 1:]
    return torch.nn.functional.normalize(features, dim=1).reshape(height // 14, width // 14, -1).numpy()


@pytest.mark.parametrize(
    ("size", "scaled", "tolerance"),
    [
        ((42, 70), (42, 70), 1e-5),  # as the network takes it
        ((70, 70), (70, 70), 1e-5),  # with as many patches as there are positional embeddings
        # Scaled down, and enlarged: transformers rounds once more between rows and columns, by up to 2 grey levels.
        ((96, 128), (56, 70), 1e-2),
        ((20, 30), (42, 70), 1e-2),
    ],
)
def test_features_are_those_of_transformers(small_dinov2, size, scaled, tolerance):
    image = texture(*size)
    expected = published(image, *scaled)
    np.testing.assert_allclose(small_dinov2.describe(Frame(0, image)), expected, rtol=0, atol=tolerance)


def config(path: object) -> SamPtConfig:
    return updated(SamPtConfig(), {"descriptor": "dinov2", "device": "cpu", "dinov2.checkpoint": str(path)})


@pytest.fixture
def small_architecture(monkeypatch):
    """The published architecture is the small one here."""
    pytest.importorskip("transformers", reason="transformers is missing")
    import named_weights

    monkeypatch.setattr(dinov2, "dinov2", lambda model: named_weights.small_dinov2())


def published_names(state: dict) -> dict:
    """A state dict under the names that the published files have."""
    for old, new in dinov2._RENAMED.items():
        state = {name.replace(new, old): values for name, values in state.items()}
    return state


@pytest.mark.parametrize("rename", [published_names, dict])
def test_a_published_file_brings_its_weights(small_architecture, tmp_path, rename):
    import named_weights

    expected = {name: 0.5 * values for name, values in named_weights.small_dinov2().state_dict().items()}
    names = rename(expected)
    assert ("encoder.layer.1.attention.attention.query.weight" in names) == (rename is published_names)
    save_file(names, tmp_path / "weights.safetensors")
    for name, values in build_descriptor(config(tmp_path / "weights.safetensors"))._network.state_dict().items():
        torch.testing.assert_close(values, expected[name])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda weights: weights.pop("layernorm.bias"), "1 tensors missing.*layernorm.bias"),
        (lambda weights: weights.update({"classifier.bias": torch.zeros(1)}), "1 unknown.*classifier.bias"),
        (lambda weights: weights.update({"layernorm.bias": torch.zeros(1)}), "another shape.*layernorm.bias"),
    ],
)
def test_weights_of_another_network_are_refused_by_name(small_architecture, tmp_path, change, complaint):
    import named_weights

    weights = published_names(named_weights.small_dinov2().state_dict())
    change(weights)
    save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError, match=complaint):
        build_descriptor(config(tmp_path / "weights.safetensors"))


def test_without_its_file_the_error_says_how_to_get_it(small_architecture):
    with pytest.raises(CheckpointError, match=r"dinov2.checkpoint: .* sampt models fetch dinov2_small"):
        build_descriptor(config(""))


def test_random_weights_need_no_file(small_architecture):
    descriptor = build_descriptor(updated(config(""), {"random_weights": True}))
    assert descriptor.describe(Frame(0, two_disks(0)[0])).shape[2] == 48


def test_without_transformers_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(CheckpointError, match=r"dinov2 needs .*transformers \(pip install 'sampt_ros\[dino\]'\)"):
        build_descriptor(config(""))


def test_a_library_whose_parts_moved_is_told_readably():
    with pytest.raises(CheckpointError, match=rf"expected a model as in transformers {dinov2.TESTED}, got Linear"):
        DinoV2(torch.nn.Linear(1, 1), 70)


def test_the_installed_transformers_is_one_that_was_tested():
    pytest.importorskip("transformers", reason="transformers is missing")
    version = importlib.metadata.version("transformers")
    assert version.startswith(f"{dinov2.TESTED}."), "run this file with it, then change TESTED and setup.py"


@pytest.mark.parametrize(("model", "millions"), [("small", 22.06), ("base", 86.58), ("large", 304.37)])
def test_the_architectures_have_the_published_numbers_of_weights(model, millions):
    pytest.importorskip("transformers", reason="transformers is missing")
    with torch.device("meta"):
        weights = sum(tensor.numel() for tensor in dinov2.dinov2(model).state_dict().values())
    assert weights / 1e6 == pytest.approx(millions, abs=0.01)
    assert 4 * weights / 1e6 == pytest.approx(MODELS[f"dinov2_{model}"].megabytes, rel=0.01)
