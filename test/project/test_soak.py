"""Half a minute of what benchmarks/soak does for as long as you like."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOAK = Path(__file__).resolve().parents[2] / "benchmarks/soak/soak.py"

pytest.importorskip("rclpy", reason="rclpy is missing: source a ROS install, or run make setup", exc_type=ImportError)
pytest.importorskip("sampt_ros.msg", reason="the messages are not built: run make setup", exc_type=ImportError)


def test_the_node_lives_through_everything(tmp_path):
    command = [sys.executable, SOAK, "--minutes", "0.5", "--preset", "grabcut"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=500, env={**os.environ}, cwd=tmp_path)
    report = json.loads(run.stdout)
    assert run.returncode == 0, report["wrong"]
    assert report["wrong"] == []
    assert report["counts"]["masks"] > 10
    assert report["counts"]["images"] > 100
