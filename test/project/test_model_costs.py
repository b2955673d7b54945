"""Tests of benchmarks/model_costs.py, with the models that need no network."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

import model_costs

PAGE = """# Models

<!-- benchmarks/model_costs.py begins -->
old
<!-- benchmarks/model_costs.py ends -->

## Point trackers

| name | paper |
|---|---|
| `lucas_kanade` | Lucas |
| `raft` | |

## Segmenters

| name | paper | ms a frame here |
|---|---|---|
| `sam` | Kirillov | 9000 |
| `grabcut` | Rother | 5 |

text | with a bar

## Mask propagators

| name | paper |
|---|---|
| `cutie` | Cheng |
"""


@pytest.fixture
def page(tmp_path) -> Path:
    path = tmp_path / "models.md"
    path.write_text(PAGE)
    return path


def test_times_become_the_last_column_and_other_rows_stay(page):
    arguments = ["lucas_kanade", "grabcut", "--size", "96x64", "--device", "cpu", "--write", str(page)]
    assert model_costs.main(arguments) == 0
    text = page.read_text()
    assert "old" not in text
    assert "96x64, 8 points" in text
    lines = text.splitlines()
    trackers = lines.index("| name | paper | ms a frame here |")
    assert lines[trackers + 1] == "|---|---|---|"
    assert float(lines[trackers + 2].removeprefix("| `lucas_kanade` | Lucas | ").removesuffix(" |")) > 0
    assert lines[trackers + 3] == "| `raft` | | |"
    assert "| `sam` | Kirillov | 9000 |" in lines
    assert "| `grabcut` | Rother | 5 |" not in lines
    assert "text | with a bar" in lines
    assert "| `cutie` | Cheng | |" in lines
    assert text.count("ms a frame here") == 3


def test_what_a_package_is_missing_for_is_left_out_and_told(page, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cutie", None)
    assert model_costs.main(["cutie", "--size", "96x64", "--device", "cpu"]) == 0
    assert "cutie is left out: mask propagator cutie needs the package rf-cutie" in capsys.readouterr().out


def test_the_memory_of_every_wrapped_model_is_measured(capsys):
    from sampt_ros.evaluation.synthetic_scene import Scene

    measured = {name.split()[-1] for name in model_costs.small_models(Scene((128, 96), 1))}
    assert measured == {"superglue", "lightglue", "cotracker", "sam2", "edgetam", "seggpt", "cutie", "deaot"}
    assert model_costs.main(["--memory", "--frames", "3", "lightglue"]) == 0
    told = capsys.readouterr().out
    assert "| MiB of the process after | 1 frames | 2 frames | 3 frames |" in told
