"""Cutie in the stream against the package's own inference core."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from synthetic import two_disks

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import torch

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.mask_propagators import CutieConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.mask_propagators import build_mask_propagator
from sampt_ros.mask_propagators.cutie.propagator import Cutie

FRAMES = [Frame(index, two_disks(index)[0]) for index in range(12)]
RED, BLUE = two_disks(0)[1:]


def tensor(frame: Frame) -> torch.Tensor:
    return torch.from_numpy(frame.image).permute(2, 0, 1).float() / 255


@torch.inference_mode()
def test_twelve_frames_equal_the_packages_own_predictor(cutie_network):
    from cutie.inference.inference_core import InferenceCore

    core, ours = InferenceCore(*cutie_network), Cutie(*cutie_network, device="cpu")
    core.step(tensor(FRAMES[0]), torch.from_numpy(RED).long(), [1])
    ours.start(1, RED, FRAMES[0])
    for index, frame in enumerate(FRAMES[1:], 1):
        expected, found = core.step(tensor(frame)), ours.update(frame)
        assert len(found) == len(expected) - 1
        for mask, own in zip(expected[1:], found.values()):
            np.testing.assert_allclose(own.mask, mask, atol=1e-5)
        if index == 3:  # A second object is added in the fourth frame.
            blue = two_disks(index)[2]
            core.step(tensor(frame), 2 * torch.from_numpy(blue).long(), [2])
            ours.start(2, blue, frame)
        if index == 7:  # The first one is removed in the eighth.
            core.delete_objects([1])
            core.last_mask = core.last_mask[:, 1:]
            ours.remove(1)
    assert list(found) == [2]


@torch.inference_mode()
def test_a_corrected_object_equals_giving_the_package_the_masks_of_all(cutie_network):
    ours = Cutie(*cutie_network, device="cpu")
    ours.start(1, RED, FRAMES[0])
    ours.start(2, BLUE, FRAMES[0])
    ours.update(FRAMES[1])
    before, corrected = ours._probabilities.argmax(0), np.roll(RED, 3, 0)

    ours.start(1, corrected, FRAMES[1])
    given = torch.where(torch.from_numpy(corrected), 1, torch.where(before == 2, 2, 0))
    np.testing.assert_array_equal(ours._probabilities.argmax(0), given)


def test_what_is_kept_is_bounded(cutie_network):
    def size(cutie: Cutie) -> int:
        memory = cutie._core.memory
        work = memory.work_mem
        tensors = [*work.k.values(), *work.v.values(), *work.s.values(), *memory.sensory.values()]
        return sum(tensor.numel() for tensor in [*tensors, *memory.obj_v.values()])

    ours, sizes = Cutie(*cutie_network, device="cpu"), []
    ours.start(1, RED, FRAMES[0])
    for index in range(60):
        ours.update(FRAMES[index % 12])
        sizes.append(size(ours))
    assert sizes[29] == sizes[59]
    assert len(ours._core.image_feature_store) == 0


def test_a_large_image_is_scaled_down(cutie_network):
    ours = Cutie(*cutie_network, CutieConfig(size=96), "cpu")
    assert ours._size(Frame(0, np.zeros((480, 640, 3), np.uint8))) == (96, 128)
    assert ours._size(Frame(0, np.zeros((16, 16, 3), np.uint8))) == (128, 128)


def test_a_checkpoint_brings_its_weights_and_another_is_refused_by_name(cutie_network, tmp_path):
    network, _ = cutie_network
    path, weights = tmp_path / "cutie.pth", dict(network.state_dict())
    torch.save(weights, path)
    changes = {"mask_propagator": "cutie", "cutie.model": "small", "cutie.checkpoint": str(path), "device": "cpu"}
    config = updated(SamPtConfig(), changes)
    loaded = build_mask_propagator(config)._network.state_dict()
    assert all(torch.equal(values, loaded[name]) for name, values in weights.items())

    del weights["pix_feat_proj.weight"]
    torch.save(weights, path)
    with pytest.raises(CheckpointError, match=r"1 tensors missing.*pix_feat_proj\.weight"):
        build_mask_propagator(config)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    for name in ("cutie", "cutie.model", "cutie.model.cutie"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(CheckpointError, match=r"cutie needs the package rf-cutie \(pip install 'sampt_ros\[cutie\]'"):
        build_mask_propagator(SamPtConfig(mask_propagator="cutie"))
