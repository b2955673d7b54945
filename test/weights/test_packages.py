"""What is said where a package that networks are built with is another one than was tested."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

pytest.importorskip("torch", reason="torch is missing", exc_type=ImportError)

from sampt_ros.descriptors.dinov2 import dinov2
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers.matching.matcher import lightglue, superglue
from sampt_ros.segmenters.seggpt import seggpt
from sampt_ros.weights import sam2_architectures as sam2


@pytest.mark.parametrize(
    ("build", "extra"),
    [
        (lambda: sam2.sam2("tiny"), "sam2"),
        (lambda: sam2.sam2_video("tiny"), "sam2"),
        (sam2.edgetam, "edgetam"),
        (sam2.edgetam_video, "edgetam"),
        (seggpt, "seggpt"),
        (lambda: superglue(512), "superglue"),
        (lambda: lightglue(512), "lightglue"),
        (lambda: dinov2("small"), "dino"),
    ],
)
def test_a_transformers_whose_parts_moved_is_told_readably_with_what_to_install(build, extra, monkeypatch):
    for name in ("transformers", "timm"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    complaint = rf"expected the parts of transformers 5\.24 \(pip install 'sampt_ros\[{extra}\]'\): .*no attribute"
    with pytest.raises(CheckpointError, match=complaint):
        build()


def test_a_part_of_transformers_that_cannot_be_imported_is_told_so_too(monkeypatch):
    def missing(name: str) -> None:  # As transformers' own parts are, where a package is missing that they need.
        raise ModuleNotFoundError(f"Could not import module {name!r}")

    module = ModuleType("transformers")
    module.__getattr__ = missing
    monkeypatch.setitem(sys.modules, "transformers", module)
    with pytest.raises(CheckpointError, match=r"seggpt: expected the parts .*Could not import module 'SegGpt"):
        seggpt()
