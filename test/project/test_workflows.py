"""Continuous integration: its scripts are there, and it covers what the package promises to run on."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ROOT / ".github/workflows"
if not WORKFLOWS.is_dir():
    pytest.skip("the workflows are not part of an installed package", allow_module_level=True)


def jobs(name: str) -> dict:
    return yaml.safe_load((WORKFLOWS / f"{name}.yml").read_text())["jobs"]


def test_every_script_that_a_workflow_runs_is_there_and_executable():
    steps = [
        step for name in ("with_ros", "without_ros", "release") for job in jobs(name).values() for step in job["steps"]
    ]
    scripts = {script for step in steps for script in re.findall(r"\.ci/\w+", step.get("run", ""))}
    assert {Path(script).name for script in scripts} == {path.name for path in (ROOT / ".ci").iterdir()}
    assert all(os.access(ROOT / script, os.X_OK) for script in scripts)


def test_every_supported_python_and_ros_distribution_is_tested():
    pythons = jobs("without_ros")["test"]["strategy"]["matrix"]["python"]
    assert pythons == ["3.10", "3.11", "3.12", "3.13"]
    oldest = re.search(r'python_requires=">=([\d.]+)"', (ROOT / "setup.py").read_text())
    assert oldest[1] == pythons[0]
    assert jobs("with_ros")["test"]["strategy"]["matrix"]["distro"] == ["humble", "jazzy", "kilted", "rolling"]


def test_the_issue_templates_ask_what_one_needs_to_know():
    for name in ("problem", "quality"):
        form = yaml.safe_load((ROOT / f".github/ISSUE_TEMPLATE/{name}.yml").read_text())
        needed = {item["id"] for item in form["body"] if item.get("validations", {}).get("required")}
        assert needed == {"what", "doctor", "distro", "preset", "camera"}
