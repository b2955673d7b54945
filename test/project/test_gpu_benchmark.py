"""Tests of benchmarks/gpu.py, with tiny models on the CPU."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import gpu
from marked_tables import between_markers

from sampt_ros.config.presets import load_preset

DOCUMENT = "before\n<!-- benchmarks/gpu.py begins -->\nold\n<!-- benchmarks/gpu.py ends -->\nafter\n"


def test_a_dry_run_measures_presets_and_writes_their_table(tmp_path, monkeypatch):
    if find_spec("segment_anything") is None:
        pytest.skip("segment_anything is missing")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    document, numbers = tmp_path / "performance.md", tmp_path / "gpu.json"
    document.write_text(DOCUMENT)
    variants = "default;sam_vit_b;sam_vit_h, compiled"
    arguments = ["--dry-run", "--variants", variants, "--write", str(document), "--json", str(numbers)]
    assert gpu.main(arguments) == 0
    rows = json.loads(numbers.read_text())["rows"]
    assert [row["name"] for row in rows] == ["default", "sam_vit_b"]  # On a CPU nothing is compiled.
    assert all(row["rate"] > 0 and row["tracked"] == 1 for row in rows)
    text = document.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert text.count("| 96x64 |") == len(rows)


@pytest.mark.parametrize("name", gpu.VARIANTS)
def test_every_variant_is_a_preset_with_changes(name):
    preset, changes = gpu.VARIANTS[name]
    assert load_preset(preset, {**changes, **gpu._BRIEFLY}).device == "auto"


def test_a_document_without_its_markers_is_refused():
    with pytest.raises(ValueError, match=r"expected the lines <!-- benchmarks/gpu\.py begins -->"):
        between_markers("no markers", "benchmarks/gpu.py", "text")


def test_a_variant_that_fails_does_not_cost_the_others(monkeypatch, capsys):
    def measured(name, *rest):
        if name == "sam_vit_h":
            raise RuntimeError("no room")
        return iter(())

    monkeypatch.setattr(gpu, "_measured", measured)
    assert gpu.main(["--dry-run"]) == 1
    assert "no room" in capsys.readouterr().out
