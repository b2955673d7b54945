"""`sampt models`, and what else uses published weights."""

from __future__ import annotations

import io

import pytest
from model_server import CONTENT

from sampt_ros.cli import doctor
from sampt_ros.cli import main as cli
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.errors import CheckpointError
from sampt_ros.weights import registry as models
from sampt_ros.weights.registry import MODELS


def run(*arguments: str) -> int:
    return cli.main(arguments)


def test_list_shows_what_is_here(list_model, model_cache, capsys):
    assert run("models", "list") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert set(MODELS) <= set(lines)
    assert lines["sam_vit_b"].split()[1:5] == ["375", "MB", "Apache-2.0", "published"]
    assert lines["sam_vit_b"].endswith("not here (sam_vit_b_01ec64.pth)")
    assert "first 8 digits" in lines["raft_small"]
    assert str(model_cache) in lines["folder:"]
    models.fetch(list_model("", "pips"))
    run("models", "list")
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("pips"))
    assert line.endswith(f"not published, pinned  {model_cache / 'weights.pth'}")


def test_fetch_and_verify_by_command(list_model, model_cache, capsys):
    published = list_model()
    assert run("models", "fetch", "sam_vit_b") == 0
    assert capsys.readouterr().out == f"sam_vit_b: {model_cache / 'weights.pth'}: SHA-256 as published\n"
    assert run("models", "verify") == 0
    assert capsys.readouterr().out == "sam_vit_b: SHA-256 as published\n"
    models.path(published).write_bytes(CONTENT[:50])
    for names in ([], ["sam_vit_b"]):
        assert run("models", "verify", *names) == 1
        assert "got 50 bytes" in capsys.readouterr().err


def test_verify_with_nothing_here(model_cache, capsys):
    assert run("models", "verify") == 0
    assert "none of the models is in" in capsys.readouterr().out
    assert run("models", "verify", "pips") == 1
    assert "missing; get it with: sampt models fetch pips" in capsys.readouterr().err


def test_fetch_knows_all_names_before_it_begins(list_model, model_server, capsys):
    list_model()
    assert run("models", "fetch", "sam_vit_b", "magic") == 2
    assert "unknown model 'magic'" in capsys.readouterr().err
    assert model_server.requests == 0


# Who uses them


def test_doctor_advises_the_command(list_model, model_cache, tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/default.yaml").write_text("segmenter: grabcut")
    (tmp_path / "config/paper.yaml").write_text("{segmenter: sam, point_tracker: pips, sam: {model: vit_h}}")
    monkeypatch.setattr("sampt_ros.config.presets.presets_folder", lambda: tmp_path / "config")
    check = {check.name: check for check in doctor.examine()}["paper"]
    assert check.detail == "sam + pips; needs weights sam_vit_h; needs weights pips"
    assert check.advice.startswith("sampt models fetch sam_vit_h pips; or set sam.checkpoint and pips.checkpoint")
    for name in ("sam_vit_h", "pips"):
        models.fetch(list_model("", name))
    assert {check.name: check for check in doctor.examine()}["paper"].ok


def test_an_empty_checkpoint_is_the_fetched_one(list_model, model_cache, pips_network, model_server):
    torch = pytest.importorskip("torch", reason="torch is missing")
    from sampt_ros.point_trackers import build_point_tracker

    config = updated(SamPtConfig(), {"point_tracker": "pips", "device": "cpu"})
    published = list_model("", "pips")
    with pytest.raises(CheckpointError, match=r"pips\.checkpoint: expected .*sampt models fetch pips, or give a path"):
        build_point_tracker(config)
    assert model_server.requests == 0
    stream = io.BytesIO()
    torch.save({"model_state_dict": pips_network.state_dict()}, stream)
    model_server.content = stream.getvalue()
    models.fetch(published)
    build_point_tracker(config)
    with models.path(published).open("ab") as file:
        file.write(b"more")
    with pytest.raises(CheckpointError, match="not the pips seen first"):
        build_point_tracker(config)


def test_fetch_tells_a_licence_that_forbids_commercial_use(list_model, model_cache, capsys):
    list_model(name="superglue_outdoor")
    assert run("models", "fetch", "superglue_outdoor") == 0
    assert "note that the licence of superglue_outdoor forbids commercial use: Magic Leap" in capsys.readouterr().err
