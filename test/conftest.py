"""Fixtures that several test files share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """Reference numbers and data that are not part of the package: ../shared, or what SAMPT_SHARED names."""
    folder = Path(os.environ.get("SAMPT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data at {folder}; SAMPT_SHARED can name another folder")
    return folder


@pytest.fixture(scope="session")
def sam_model():
    """The small `segment_anything` Sam whose weights come from their names; not to be changed."""
    pytest.importorskip("segment_anything", reason="segment-anything or torchvision is missing", exc_type=ImportError)
    import torch
    from named_weights import small_sam

    torch.set_num_threads(1)  # more would only wait for each other: the model is tiny
    return small_sam()


@pytest.fixture(scope="session")
def small_sam(sam_model):
    """The segmenter around `sam_model`."""
    from sampt_ros.segmenters.sam import Sam

    return Sam(sam_model, "cpu")


@pytest.fixture(scope="session")
def pips_network():
    """The PIPS network whose weights come from their names; not to be changed."""
    pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)
    from named_weights import pips

    return pips()
