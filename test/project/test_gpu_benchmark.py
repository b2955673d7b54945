"""benchmarks/gpu.py, with tiny models on the CPU."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import gpu

DOCUMENT = "before\n<!-- benchmarks/gpu.py begins -->\nold\n<!-- benchmarks/gpu.py ends -->\nafter\n"


def test_a_dry_run_goes_through_every_preset(tmp_path, monkeypatch):
    for package in ("segment_anything", "segment_anything_hq", "mobile_sam", "torchvision"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is missing")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    document, numbers = tmp_path / "performance.md", tmp_path / "gpu.json"
    document.write_text(DOCUMENT)
    assert gpu.main(["--dry-run", "--write", str(document), "--json", str(numbers)]) == 0
    rows = json.loads(numbers.read_text())["rows"]
    assert [row["name"] for row in rows] == [name for name in gpu.VARIANTS if "compiled" not in name]
    assert all(row["rate"] > 0 and row["tracked"] == 1 for row in rows)
    text = document.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert text.count("| 96x64 |") == len(rows)


def test_a_document_without_its_markers_is_refused():
    with pytest.raises(ValueError, match=r"expected the lines <!-- benchmarks/gpu\.py begins -->"):
        gpu.between_markers("no markers", "text")


def test_a_variant_that_fails_does_not_cost_the_others(monkeypatch, capsys):
    def measured(name, *rest):
        if name == "sam_vit_h":
            raise RuntimeError("no room")
        return iter(())

    monkeypatch.setattr(gpu, "_measured", measured)
    assert gpu.main(["--dry-run"]) == 1
    assert "no room" in capsys.readouterr().out
