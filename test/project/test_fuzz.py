"""A few seconds of what benchmarks/fuzz does for as long as you like."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).resolve().parents[2] / "benchmarks/fuzz/fuzz.py"
KINDS = {"messages", "bags", "pictures", "videos", "checkpoints", "parameters", "queries"}

for name in ("rosbags", "mcap", "apsw", "torch", "safetensors"):
    pytest.importorskip(name, reason=f"{name} is missing")


def test_damaged_inputs_are_used_or_refused_with_a_reason(tmp_path):
    command = [sys.executable, FUZZ, "--inputs", "70", "--seed", "7"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=400, cwd=tmp_path)
    assert run.stdout, run.stderr
    report = json.loads(run.stdout)
    assert report["failures"] == []
    assert run.returncode == 0
    assert {outcome.partition(":")[0] for outcome in report["counts"]} == KINDS


def test_a_bag_whose_rows_form_a_circle_is_read_to_its_end(tmp_path):
    # The one of 10,000 inputs that once was read for ever.
    command = [sys.executable, FUZZ, "--kind", "bags", "--only", "869", "--seed", "31"]
    subprocess.run(command, check=True, capture_output=True, timeout=100, cwd=tmp_path)
