"""HQ-SAM and MobileSAM from checkpoints as published, and with SAM through the whole stream."""

from __future__ import annotations

import importlib
import sys

import numpy as np
import pytest
from synthetic import two_disks

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import Frame, ObjectState
from sampt_ros.errors import CheckpointError
from sampt_ros.segmenters import build_segmenter
from sampt_ros.tracking.sam_pt import SamPt

torch = pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

RELATIVES = {  # segmenter: its package, and the architecture that stands in for the published one here
    "sam_hq": ("segment_anything_hq", "vit_b"),
    "mobile_sam": ("mobile_sam", "vit_t"),
}


@pytest.fixture(params=RELATIVES)
def relative(request, monkeypatch):
    """A segmenter's name, and its small model, which is what its package builds here."""
    package, architecture = RELATIVES[request.param]
    model = request.getfixturevalue(f"small_{request.param}").model
    import named_weights

    build = getattr(named_weights, f"small_{request.param}")
    monkeypatch.setattr(importlib.import_module(package), "sam_model_registry", {architecture: build})
    return request.param, model


def config(name: str, path: object) -> SamPtConfig:
    changes = {"segmenter": name, "device": "cpu", f"{name}.checkpoint": str(path)}
    return updated(SamPtConfig(), changes | ({"sam_hq.model": "vit_b"} if name == "sam_hq" else {}))


def test_a_checkpoint_brings_its_weights(relative, tmp_path):
    name, model = relative
    path = tmp_path / "weights.pth"
    torch.save({tensor: 0.5 * values for tensor, values in model.state_dict().items()}, path)
    loaded = build_segmenter(config(name, path))
    for tensor, values in loaded.model.state_dict().items():
        torch.testing.assert_close(values, (0.5 * model.state_dict()[tensor]).to(values.dtype))
    assert torch.isfinite(loaded.encode(Frame(0, np.zeros((32, 48, 3), np.uint8))).features).all()


def test_a_loaded_model_is_the_one_that_was_saved(relative, tmp_path, request):
    # MobileSAM's encoder keeps what it makes of its weights: it must be made of those of the checkpoint
    name, model = relative
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    frame = Frame(0, two_disks(0)[0])
    found = build_segmenter(config(name, tmp_path / "weights.pth")).encode(frame).features
    expected = request.getfixturevalue(f"small_{name}").encode(frame).features
    torch.testing.assert_close(found, expected)


def test_a_missing_file_is_named_with_the_parameter(relative, tmp_path):
    name, _ = relative
    with pytest.raises(CheckpointError, match=rf"{name}\.checkpoint: expected the path of a .*missing\.pth"):
        build_segmenter(config(name, tmp_path / "missing.pth"))


def test_sams_own_checkpoint_is_refused(relative, tmp_path, request):
    name, _ = relative
    torch.save(request.getfixturevalue("small_sam").model.state_dict(), tmp_path / "sam.pth")
    with pytest.raises(CheckpointError, match=r"sam\.pth does not hold .* tensors missing"):
        build_segmenter(config(name, tmp_path / "sam.pth"))


@pytest.mark.parametrize("name", ["sam", "sam_hq", "mobile_sam"])
def test_a_missing_package_is_named_with_what_to_install(name, monkeypatch):
    package = {"sam": "segment_anything"}.get(name) or RELATIVES[name][0]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CheckpointError, match=rf"segmenter {name} needs the package {package} \(pip install "):
        build_segmenter(SamPtConfig(segmenter=name))


@pytest.mark.parametrize("name", ["sam", "sam_hq", "mobile_sam"])
def test_frames_go_through_the_whole_stream(name, request):
    segmenter = request.getfixturevalue(f"small_{name}")
    preset = {"sam": "sam_vit_h_reinit", "sam_hq": "sam_hq_vit_h", "mobile_sam": "mobile_sam"}[name]
    # such weights rate masks as they like: all are accepted
    changes = {"point_tracker": "lucas_kanade", "prompting.iou_threshold": 0, "device": "cpu", "reinit.horizon": 2}
    sam_pt = SamPt(load_preset(preset, changes), segmenter=segmenter)
    image, red, blue = two_disks(0)
    sam_pt.step(image)
    for mask in (red, blue):
        sam_pt.add_object(mask=mask)
    for index in range(1, 3):
        result = sam_pt.step(two_disks(index)[0])
        assert len(result.objects) == 2
        for item in result.objects:
            assert item.state in (ObjectState.TRACKING, ObjectState.UNCERTAIN)
            assert (item.mask.shape, item.mask.dtype) == (image.shape[:2], bool)
            assert np.isfinite(item.score)
