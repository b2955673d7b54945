"""Squares stand for what a segmenter would find in the images that `sampt` is given."""

from __future__ import annotations

import pytest
from fakes import DriftingTracker, SquareSegmenter, blank

from sampt_ros.cli import benchmark, evaluate, track
from sampt_ros.io.image_files import write_image
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def fakes(monkeypatch):
    """Let `sampt` track squares, whatever the images show."""
    for command in (track, evaluate, benchmark):
        monkeypatch.setattr(command, "SamPt", lambda config: SamPt(config, SquareSegmenter(), DriftingTracker()))


@pytest.fixture
def folder(tmp_path):
    """Five black frames."""
    for index in range(5):
        write_image(tmp_path / f"frames/{index}.png", blank())
    return tmp_path / "frames"
