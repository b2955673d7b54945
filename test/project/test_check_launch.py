"""What continuous integration does last: the package as it is installed, started as people start it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[2] / "tools/check_launch.py"

pytest.importorskip("rclpy", reason="rclpy is missing: source a ROS install, or run make setup", exc_type=ImportError)
pytest.importorskip("sampt_ros.msg", reason="the messages are not built: run make setup", exc_type=ImportError)


def check(*options: str) -> subprocess.CompletedProcess[str]:
    """The finished run; grabcut loads faster than the default preset, and needs no torch."""
    command = [sys.executable, CHECK, "--preset", "grabcut", *options]
    environment = os.environ | {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    return subprocess.run(command, capture_output=True, text=True, timeout=180, env=environment)


def test_the_launch_file_starts_a_node_that_tracks():
    if not shutil.which("ros2"):
        pytest.skip("the ros2 command is missing, which starts launch files")
    run = check()
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"a mask of \d+ pixels", run.stdout)


def test_the_installed_programs_track():
    run = check("--without-launch")
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"a mask of \d+ pixels", run.stdout)


def test_no_mask_in_time_is_a_failure():
    run = check("--without-launch", "--timeout", "0")
    assert run.returncode == 1
    assert "no mask with pixels within 0 s" in run.stderr
