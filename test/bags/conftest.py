"""Squares stand for what a segmenter would find in the images of a bag."""

from __future__ import annotations

import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.config.core import SamPtConfig
from sampt_ros.tracking.sam_pt import SamPt


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker())
