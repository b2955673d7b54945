from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is missing")

import torch
from safetensors.torch import save_file

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.segmenters import SamConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.segmenters import build_segmenter
from sampt_ros.segmenters.sam.segmenter import Sam
from sampt_ros.weights.loading import read_safetensors


@pytest.fixture(autouse=True)
def small_architecture(sam_model, monkeypatch):
    """vit_b is the small SAM here: a real checkpoint is a third of a gigabyte."""
    import segment_anything
    from named_weights import small_sam

    monkeypatch.setattr(segment_anything, "sam_model_registry", {"vit_b": small_sam})


@pytest.fixture
def weights(sam_model) -> dict[str, torch.Tensor]:
    return dict(sam_model.state_dict())


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "sam_weights.pth"


def load(path: Path) -> Sam:
    return Sam.from_checkpoint(SamConfig("vit_b", str(path)), "cpu")


def refuse(path: Path, complaint: str = "") -> None:
    """Loading fails with a message that names the file."""
    with pytest.raises(CheckpointError, match=complaint) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_checkpoint_brings_its_weights(path, weights):
    torch.save({name: 0.5 * tensor for name, tensor in weights.items()}, path)
    loaded = build_segmenter(SamPtConfig(segmenter="sam", sam=SamConfig("vit_b", str(path)), device="cpu"))
    for name, tensor in loaded.model.state_dict().items():
        torch.testing.assert_close(tensor, 0.5 * weights[name])
    assert torch.isfinite(loaded.encode(Frame(0, np.zeros((32, 48, 3), np.uint8))).features).all()


def test_parts_of_names_in_a_safetensors_file_may_be_older_ones(tmp_path):
    save_file({"layer.0.query.weight": torch.eye(2), "layer.0.bias": torch.ones(2)}, tmp_path / "weights.safetensors")
    expected = {"layer.0.q.weight": np.zeros((2, 2), np.float32), "layer.0.bias": np.zeros(2, np.float32)}
    given = ("dinov2.checkpoint", str(tmp_path / "weights.safetensors"), "small", expected)
    found = read_safetensors(*given, renamed={"query": "q"})
    np.testing.assert_array_equal(found["layer.0.q.weight"], np.eye(2))
    with pytest.raises(CheckpointError, match=r"1 tensors missing.*layer\.0\.q\.weight"):
        read_safetensors(*given)


def test_a_licence_that_forbids_commercial_use_is_told_once(path, weights, caplog, monkeypatch):
    from dataclasses import replace

    from sampt_ros.weights import loading, registry

    monkeypatch.setattr(loading, "_told", set())
    restricted = replace(registry.MODELS["sam_vit_b"], licence="for research", non_commercial=True)
    monkeypatch.setitem(registry.MODELS, "sam_vit_b", restricted)
    torch.save(weights, path)
    for _ in range(2):
        load(path)
    assert caplog.messages == ["the licence of sam_vit_b forbids commercial use: for research"]


def test_no_checkpoint_given():
    with pytest.raises(CheckpointError, match=r"sam\.checkpoint: expected the path of a vit_b checkpoint"):
        Sam.from_checkpoint(SamConfig(), "cpu")


def test_a_missing_file(path):
    refuse(path, "not a file")


def test_a_folder(tmp_path):
    refuse(tmp_path, "not a file")


def test_a_home_folder_is_written_as_a_tilde(path, weights, monkeypatch):
    monkeypatch.setenv("HOME", str(path.parent))
    torch.save(weights, path)
    assert isinstance(load(Path("~", path.name)), Sam)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_truncated_file(path, weights, share):
    torch.save(weights, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refuse(path, "not a readable checkpoint")


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes(path, seed):
    path.write_bytes(np.random.default_rng(seed).bytes(200))
    refuse(path, "not a readable checkpoint")


def test_a_pickle_that_would_run_code_is_never_executed(path):
    proof = path.with_name("it_ran")

    class Attack:
        def __reduce__(self):
            return Path.touch, (proof,)

    path.write_bytes(pickle.dumps(Attack(), protocol=2))
    refuse(path, "not a readable checkpoint")
    torch.save({"image_encoder.pos_embed": Attack()}, path)
    refuse(path, "not a readable checkpoint")
    assert not proof.exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        # of another architecture: tensors too few, too many
        (lambda weights: weights.popitem(), "does not hold vit_b: 1 tensors missing"),
        (lambda weights: weights.update(extra=torch.zeros(1)), "0 tensors missing.*1 unknown.*extra"),
        (lambda weights: weights.update({3: torch.zeros(1), "extra": torch.zeros(1)}), "2 unknown"),
        # of another size
        (lambda weights: weights.update({"mask_decoder.iou_token.weight": torch.zeros(1, 8)}), "1 tensors of another"),
        # not tensors at all
        (lambda weights: weights.update({"mask_decoder.iou_token.weight": 3}), "1 tensors of another"),
    ],
)  # fmt: skip
def test_weights_of_another_model(path, weights, change, complaint):
    change(weights)
    torch.save(weights, path)
    refuse(path, complaint)


def test_a_file_that_holds_no_state_dict(path):
    torch.save([torch.zeros(3)], path)
    refuse(path, "expected a state dict of vit_b, got list")


def test_a_git_lfs_pointer_in_place_of_a_checkpoint_is_named(path):
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    refuse(path, "a git-lfs pointer, not the file itself, which git lfs pull fetches")
