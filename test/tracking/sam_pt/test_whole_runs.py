"""SamPt with GrabCut and real point trackers on a video: it follows, repeats exactly and does not grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sam_pt_harness import assert_same
from synthetic import two_disks

from sampt_ros.config.options import updated
from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import FrameResult, ObjectState
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.evaluation.simulated_clicks import most_interior_point
from sampt_ros.tracking.sam_pt import SamPt


def real(**changes) -> SamPt:
    """GrabCut with one refinement, and other changes to the default preset."""
    parts = {"segmenter": "grabcut", "point_tracker": "dis_flow", "prompting.refinements": 1}
    return SamPt(updated(load_preset(), parts | {name.replace("__", "."): value for name, value in changes.items()}))


def track_two_disks(sam_pt: SamPt, frames: int) -> list[FrameResult]:
    image, red, blue = two_disks(0)
    sam_pt.step(image)
    sam_pt.add_object(mask=red)
    sam_pt.add_object(mask=blue)
    return [sam_pt.step(two_disks(index)[0]) for index in range(1, frames)]


@pytest.mark.parametrize("tracker", ["lucas_kanade", "dis_flow"])  # the others' weights are downloads
@pytest.mark.parametrize("policy", ["horizon", "similar_area"])
def test_a_run_repeats_exactly_and_so_does_one_after_a_reset(tracker, policy):
    sam_pt, other = (real(point_tracker=tracker, reinit__policy=policy, reinit__horizon=3) for _ in range(2))
    first, second = track_two_disks(sam_pt, 8), track_two_disks(other, 8)
    sam_pt.reset()
    for results in (second, track_two_disks(sam_pt, 8)):
        for found, expected in zip(results, first, strict=True):
            assert_same(found, expected)


@pytest.mark.parametrize("late", [0, 2])
@pytest.mark.parametrize("segmenter", ["grabcut", "nano"])
def test_two_objects_on_the_same_thing_are_both_followed(segmenter, late):
    if segmenter == "nano":
        pytest.importorskip("onnxruntime", reason="onnxruntime is missing, which the network runs on")
    sam_pt = real(segmenter=segmenter, prompting__carry_mask=True)
    image, red, _ = two_disks(0)
    sam_pt.step(image)
    past = []
    for index in range(1, 1 + late):
        past.append(image)
        image = two_disks(index)[0]
        sam_pt.step(image)
    for _ in range(2):  # a double click
        sam_pt.add_object(points=[most_interior_point(red)], past=past)
    for index in range(1 + late, 12):
        result = sam_pt.step(two_disks(index)[0])
        assert [item.state for item in result.objects] == [ObjectState.TRACKING] * 2
    truth = two_disks(11)[1]
    assert min(region_similarity(truth, item.mask) for item in result.objects) > 0.8


def test_two_moving_disks_are_followed():
    result = track_two_disks(real(prompting__carry_mask=True), 24)[-1]
    assert [item.state for item in result.objects] == [ObjectState.TRACKING] * 2
    for item, truth in zip(result.objects, two_disks(23)[1:]):
        assert region_similarity(truth, item.mask) > 0.8


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="this system has no /proc/self/statm")
def test_memory_does_not_grow_with_the_length_of_the_stream(record_property):
    # SAMPT_MEMORY_FRAMES=3000 for the long run; an image kept in each frame would be 36 kB of the 20 MB, or of 5
    frames = int(os.environ.get("SAMPT_MEMORY_FRAMES", 500))
    sam_pt = real(prompting__carry_mask=True)
    track_two_disks(sam_pt, 300)
    settled = resident_megabytes()
    for index in range(300, frames):
        sam_pt.step(two_disks(index)[0])
    growth = resident_megabytes() - settled
    record_property("growth_megabytes", growth)
    assert growth < (20 if frames > 1000 else 5)
