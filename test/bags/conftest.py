"""Squares stand for what a segmenter would find in the images of a bag."""

from __future__ import annotations

import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.cli import bag as command
from sampt_ros.config.core import SamPtConfig
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())


@pytest.fixture
def fakes(monkeypatch):
    """Let `sampt bag` track squares, whatever the images show."""
    monkeypatch.setattr(command, "SamPt", lambda config: SamPt(config, SquareSegmenter(), DriftingTracker()))
