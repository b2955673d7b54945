"""Parts that compute as others do and answer with the truth, for measuring time without weights."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import POSITIVE, Frame, ObjectState
from sampt_ros.evaluation.oracle import OracleSegmenter, OracleTracker
from sampt_ros.evaluation.speed.benchmark import Case, measure
from sampt_ros.evaluation.synthetic_scene import Scene
from sampt_ros.tracking.sam_pt import SamPt

CASE = Case((160, 120), objects=2, points=5)


class CountingSegmenter(SquareSegmenter):
    calls = 0

    def decode(self, *arguments, **named):
        self.calls += 1
        return super().decode(*arguments, **named)


@pytest.fixture
def oracles():
    tracker = DriftingTracker((50, 0))
    tracker.blind = True  # without the oracle every object would be lost at once
    return OracleSegmenter(CountingSegmenter()), OracleTracker(tracker)


@pytest.mark.parametrize("refinements", [0, 3])
def test_all_work_is_done_and_the_truth_is_answered(oracles, refinements):
    config = updated(SamPtConfig(), {"prompting.refinements": refinements, "points.negative": 1})
    measurement = measure(SamPt(config, *oracles), CASE, frames=9, warmup=1, oracles=oracles)
    assert measurement.tracked == 1
    assert oracles[0]._segmenter.calls == 10 * (2 + refinements)  # positive pass, full pass, refinements


def test_masks_and_points_are_those_of_the_scene(oracles):
    scene = Scene((160, 120), 2)
    for oracle in oracles:
        oracle.truth = scene
    sam_pt = SamPt(SamPtConfig(), *oracles)
    sam_pt.step(scene.image(0))
    for mask in scene.masks(0):
        sam_pt.add_object(mask=mask)
    for index in range(1, 12):  # points are drawn anew on the way
        result = sam_pt.step(scene.image(index))
        for item, true in zip(result.objects, scene.masks(index)):
            assert item.state == ObjectState.TRACKING
            np.testing.assert_array_equal(item.mask, true)
            x, y = np.rint(item.points.visible_xy(POSITIVE)).astype(int).T
            assert len(x) == 8
            assert true[y, x].all()


def test_objects_that_are_decoded_apart_have_their_own_masks(oracles):
    scene = Scene((160, 120), 3)
    inner = CountingSegmenter()
    inner.at_once = 2
    oracle = OracleSegmenter(inner)
    oracle.truth = oracles[1].truth = scene
    sam_pt = SamPt(SamPtConfig(), oracle, oracles[1])
    sam_pt.step(scene.image(0))
    for mask in scene.masks(0):
        sam_pt.add_object(mask=mask)
    result = sam_pt.step(scene.image(1))
    assert {len(prompts) for prompts, _ in inner.passes} == {1, 2}
    np.testing.assert_array_equal([item.mask for item in result.objects], scene.masks(1))


def test_points_that_are_removed_are_forgotten(oracles):
    tracker = oracles[1]
    tracker.truth = Scene((160, 120), 2)
    frame = Frame(0, tracker.truth.image(0))
    tracker.add(np.array([1, 2]), tracker.truth.centers(0).astype(np.float32), [frame])
    tracker.remove(np.array([1]))
    assert tracker.update(Frame(1, tracker.truth.image(1))).id.tolist() == [2]
    tracker.reset()
    assert len(tracker.update(Frame(2, tracker.truth.image(2)))) == 0
