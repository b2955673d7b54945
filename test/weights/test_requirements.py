"""What a preset needs that is not there is said at once, in one line."""

from __future__ import annotations

import pytest

from sampt_ros.config.presets import load_preset, preset_names
from sampt_ros.errors import CheckpointError
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.weights import requirements
from sampt_ros.weights.random_weights import random_weights


@pytest.fixture
def nothing_there(monkeypatch, tmp_path):
    """No package besides the core, and no weights."""
    pytest.importorskip("pooch", reason="pooch is missing, which names the folder of weights")
    monkeypatch.setenv("SAMPT_CACHE", str(tmp_path))
    monkeypatch.setattr(requirements, "is_installed", lambda name: False)


def test_the_default_preset_needs_nothing(nothing_there):
    missing = requirements.missing(load_preset())
    assert (missing.problems, missing.advice) == ((), "")


@pytest.mark.parametrize("name", [name for name in preset_names() if name not in ("default", "grabcut")])
def test_every_other_preset_says_in_one_line_what_to_install_and_to_fetch(nothing_there, name):
    told = str(requirements.missing(load_preset(name)))
    assert "\n" not in told
    assert "needs" in told
    assert "pip install" in told or "sampt models fetch" in told


def test_what_is_missing_is_said_before_anything_is_built(nothing_there):
    with pytest.raises(CheckpointError) as raised:
        SamPt(load_preset("sam_track"))
    for part in ("needs package segment_anything", "needs package aot", "needs weights sam_vit_b", "deaotpy", "[sam]"):
        assert part in str(raised.value)


def test_a_single_thing_is_said_by_the_part_that_needs_it(monkeypatch, tmp_path):
    pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)
    monkeypatch.setattr(requirements, "is_installed", lambda name: True)
    missing = tmp_path / "none.pth"
    with pytest.raises(CheckpointError, match=r"sam\.checkpoint"):
        SamPt(load_preset(changes={"segmenter": "sam", "sam.checkpoint": str(missing)}))


def test_random_weights_need_no_files(nothing_there):
    config = load_preset("sam_vit_h")
    with random_weights():
        assert not any("weights" in problem for problem in requirements.missing(config).problems)
    assert any("weights" in problem for problem in requirements.missing(config).problems)
