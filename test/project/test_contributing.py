"""The worked examples of CONTRIBUTING.md, applied to a copy of the package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
if not PAGE.is_file():
    pytest.skip("CONTRIBUTING.md is not part of an installed package", allow_module_level=True)
FOLDERS = ("sampt_ros", "test", "config", "docs", "examples", "msg", "srv", "tools")
LARGE = ("__pycache__", "*.safetensors", "demo")


def blocks(language: str) -> list[tuple[str, str]]:
    """(path, content) of every code block of this language; its first line names the file."""
    found = re.findall(rf"```{language}\n(?:#|---) (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found


def hunks(diff: str) -> list[tuple[str, str]]:
    """(before, after) of every part of a diff. Its lines without a mark of addition must be in the file as they are."""
    parts = []
    for part in diff.split("@@\n")[1:]:
        lines = part.splitlines()
        before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
        after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
        parts.append((before, after))
    return parts


@pytest.fixture(scope="module")
def changed_package(tmp_path_factory) -> Path:
    """A copy of the checkout in which all that CONTRIBUTING.md adds is added."""
    copy = tmp_path_factory.mktemp("contributing")
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns(*LARGE))
    for file in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / file, copy)
    for path, code in blocks("python"):
        assert not (copy / path).exists()
        (copy / path).write_text(code)
    for path, diff in blocks("diff"):
        text = (copy / path).read_text()
        for before, after in hunks(diff):
            assert text.count(before) == 1, f"CONTRIBUTING.md: expected these lines once in {path}:\n{before}"
            text = text.replace(before, after)
        (copy / path).write_text(text)
    return copy


def run(copy: Path, *command: str | Path) -> str:
    """What a Python that imports the copy prints; fails with it if the exit status is not 0."""
    path = os.pathsep.join([str(copy), os.environ.get("PYTHONPATH", "")])
    finished = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=copy,
        env=os.environ | {"PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


@pytest.mark.parametrize(
    ("tests", "name"),
    [
        ("test/point_trackers/test_point_trackers.py", "image_shift"),
        ("test/segmenters/test_segmenters.py", "plain_color"),
        ("test/point_trackers/test_point_trackers.py", "lucas_kanade"),  # with its new parameter
    ],
)
def test_what_is_added_passes_the_tests_of_its_kind(changed_package, tests, name):
    words = f"{name} or configuration_offers"
    told = run(changed_package, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, "-k", words)
    assert int(re.search(r"(\d+) passed", told)[1]) >= 10


def test_the_new_tracker_and_segmenter_track_together(changed_package):
    program = """
import numpy as np
from sampt_ros.config.core import SamPtConfig
from sampt_ros.tracking.sam_pt import SamPt

image = np.random.default_rng(0).integers(0, 60, (96, 128, 3)).astype(np.uint8)
image[30:60, 40:80, 0] += 190
sam_pt = SamPt(SamPtConfig(segmenter="plain_color", point_tracker="image_shift"))
sam_pt.step(image)
sam_pt.add_object(points=[(60, 45)])
(item,) = sam_pt.step(np.roll(image, 3, axis=1)).objects
print(item.state.name, *item.box)
"""
    state, *box = run(changed_package, "-c", program).split()
    assert state == "TRACKING"
    assert [int(number) for number in box] == [43, 30, 40, 30]


def test_the_new_parameter_is_documented_and_bounded_and_has_an_effect(changed_package):
    run(changed_package, "tools/docs_tables.py")
    assert "`lucas_kanade.min_eigenvalue`" in (changed_package / "docs/parameters.md").read_text()
    program = """
import numpy as np
from synthetic import moving_texture
from sampt_ros.config.presets import load_preset
from sampt_ros.errors import ConfigError
from sampt_ros.point_trackers.lucas_kanade import LucasKanade

previous, current = moving_texture(2, (1, 0))
for value in (0.0, 1.0, 2.0):
    try:
        config = load_preset("grabcut", {"lucas_kanade.min_eigenvalue": value})
        _, visible, _ = LucasKanade(config.lucas_kanade).move(np.float32([(80, 60)]), previous, current)
        print(bool(visible.all()))
    except ConfigError:
        print("refused")
"""
    run_with_helpers = f"import sys; sys.path.append('test/support')\n{program}"
    assert run(changed_package, "-c", run_with_helpers).split() == ["True", "False", "refused"]
