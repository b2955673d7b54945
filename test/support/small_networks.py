"""Every preset with random weights in networks of few layers, so that all of its own code runs in seconds."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from importlib import import_module
from typing import Any

import pytest

from sampt_ros.config.presets import load_preset
from sampt_ros.errors import CheckpointError
from sampt_ros.tracking.sam_pt import SamPt

# Whatever networks of random weights find is an object's mask, if it is not empty.
CHANGES = {
    "device": "cpu",
    "random_weights": True,
    "prompting.iou_threshold": 0.0,
    "prompting.refinements": 2,
    "points.negative": 3,
    "cutie.model": "small",
    "deaot.model": "tiny",
    "pips.iterations": 1,
}
# What builds the published networks of transformers, and what builds a small one of the same parts.
_TRANSFORMERS = {
    "sampt_ros.segmenters.sam2.segmenter.sam2": "sam2",
    "sampt_ros.segmenters.sam2.segmenter.edgetam": "edgetam",
    "sampt_ros.segmenters.seggpt.seggpt": "seggpt",
    "sampt_ros.mask_propagators.sam2.propagator.sam2_video": "sam2_video",
    "sampt_ros.mask_propagators.sam2.propagator.edgetam_video": "edgetam_video",
}
_SAMS = {"sam": "segmenter", "sam_hq": "hq", "mobile_sam": "mobile"}  # modules in segmenters/sam


def shrink_networks(patch: pytest.MonkeyPatch) -> None:
    """Let presets build small networks in place of the published ones, of whatever size."""
    pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)
    import tiny_models
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    for place, name in _TRANSFORMERS.items():
        patch.setattr(place, partial(_small, getattr(tiny_models, name), import_from(place)))
    # All are looked up before the first is patched: a module that is imported later would take that patch for its own.
    sams = {name: f"sampt_ros.segmenters.sam.{module}.architectures" for name, module in _SAMS.items()}
    published = {name: import_from(place) for name, place in sams.items()}
    for name, place in sams.items():
        patch.setattr(place, partial(_small_sams, getattr(tiny_models, name), published[name]))
    tapir = "sampt_ros.point_trackers.tapir.tracker.Tapir"
    patch.setattr(tapir, partial(import_from(tapir), 64))


def require(preset: str) -> None:
    """Skip where a package is missing that the preset needs, and say which."""
    try:
        SamPt(load_preset(preset, CHANGES))
    except CheckpointError as error:
        assert "pip install" in str(error)
        pytest.skip(str(error).partition("): ")[0] + ")")


def import_from(place: str) -> Any:
    """What a dotted name stands for."""
    module, _, name = place.rpartition(".")
    return getattr(import_module(module), name)


def _small(build: Any, published: Any, *model: str) -> Any:
    import torch

    with torch.device("meta"):  # The published one without its weights, for its errors.
        published(*model)
    return build()


def _small_sams(build: Any, published: Any, *package: str) -> Any:
    published(*package)
    return defaultdict(lambda: build)
