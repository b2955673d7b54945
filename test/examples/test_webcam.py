"""examples/webcam.py: the core without ROS, run as people run it, on a folder of images in place of a camera."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/webcam.py"
SIDE = 32


@pytest.fixture
def folder(tmp_path) -> Path:
    """Five images 128x96 of a red square that begins in the middle and moves by a pixel a frame."""
    for k in range(5):
        image = np.random.default_rng(0).integers(90, 110, (96, 128, 3)).astype(np.uint8)
        image[32:64, 48 + k : 80 + k] = (20, 20, 220)
        cv2.imwrite(str(tmp_path / f"{k}.png"), image)
    return tmp_path


@pytest.mark.parametrize("click", [(), ("64,48",)], ids=["in the middle", "at a pixel"])
def test_an_object_is_tracked_from_one_click_on(folder, click):
    pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the default preset needs")
    run = subprocess.run([sys.executable, EXAMPLE, folder, *click], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"frame {k}: object 1 is TRACKING" for k in range(1, 5)]
    areas = np.array([int(line.split()[-2]) for line in lines])
    assert (abs(areas / SIDE**2 - 1) < 0.25).all()
