from __future__ import annotations

import numpy as np
import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.benchmark import Case, Scene, machine, measure, table
from sampt_ros.config import SamPtConfig
from sampt_ros.errors import SamPtError
from sampt_ros.sam_pt import SamPt

CASE = Case((160, 120), objects=2, points=5)


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker((0, 0)))


@pytest.mark.parametrize("objects", [1, 2, 5, 16])
def test_objects_of_a_scene_stay_apart_and_in_view(objects):
    scene = Scene((160, 120), objects)
    for index in (0, 7, 50):
        masks = scene.masks(index)
        assert len({int(mask.sum()) for mask in masks}) == 1  # nowhere cut off
        assert np.sum(masks, axis=0).max() == 1


def test_a_scene_without_room_is_refused():
    with pytest.raises(SamPtError, match="expected room for 16 objects of 16 pixels; got 60x60"):
        Scene((60, 60), 16)


def test_a_scene_moves_and_repeats_exactly():
    scene, again = Scene((160, 120), 2), Scene((160, 120), 2)
    assert scene.image(3).shape == (120, 160, 3)
    np.testing.assert_array_equal(scene.image(3), again.image(3))
    assert (scene.image(3) != scene.image(9)).mean() > 0.5


def test_a_measurement_has_every_stage_and_the_total(sam_pt):
    measurement = measure(sam_pt, CASE, frames=4, warmup=1)
    assert next(iter(measurement.stages)) == "total"
    assert {"tracking", "encoding", "decoding"} <= measurement.stages.keys()
    assert all(0 <= median <= p95 for median, p95 in measurement.stages.values())
    assert measurement.stages["total"][0] >= measurement.stages["decoding"][0]
    assert measurement.tracked == 1
    assert measurement.memory > 10


def test_a_case_sets_the_points_and_may_have_many_objects(sam_pt):
    measure(sam_pt, Case((320, 240), objects=20, points=3), frames=1, warmup=1)
    assert len(sam_pt.object_ids) == 20
    assert sam_pt.config.points.positive == 3


def test_lost_objects_show_in_the_share_tracked(sam_pt):
    sam_pt._points.tracker.blind = True
    assert measure(sam_pt, CASE, frames=2, warmup=1).tracked == 0


def test_the_table_has_a_row_per_case(sam_pt):
    rows = table([measure(sam_pt, CASE, 1, 1), measure(sam_pt, Case((64, 48), 1, 8), 1, 1)]).splitlines()
    assert rows[0].split()[:4] == ["size", "objects", "points", "total"]
    assert [row.split()[:3] for row in rows[1:]] == [["160x120", "2", "5"], ["64x48", "1", "8"]]
    assert len({len(row) for row in rows}) == 1


def test_the_machine_has_a_name():
    assert "cores" in machine()
