"""SamPt around a tracker and a segmenter that do as they are told."""

from __future__ import annotations

import pytest
from sam_pt_harness import Fixed


@pytest.fixture
def fixed() -> Fixed:
    return Fixed()


@pytest.fixture
def never() -> Fixed:
    """Without re-initialisation, so that points are never exchanged."""
    return Fixed(reinit__policy="never")
