from __future__ import annotations

import pytest
from fakes import DriftingTracker, SquareSegmenter

from sampt_ros.config.core import SamPtConfig
from sampt_ros.evaluation.speed.benchmark import Case, Measurement, Timing, measure, table
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import machine

CASE = Case((160, 120), objects=2, points=5)


@pytest.fixture
def sam_pt():
    return SamPt(SamPtConfig(), SquareSegmenter(), DriftingTracker((0, 0)))


def test_a_measurement_has_every_stage_and_the_total(sam_pt):
    measurement = measure(sam_pt, CASE, frames=4, warmup=1)
    assert next(iter(measurement.stages)) == "total"
    assert {"tracking", "encoding", "decoding"} <= measurement.stages.keys()
    assert all(0 <= timing.median <= timing.p95 for timing in measurement.stages.values())
    assert measurement.stages["total"].median >= measurement.stages["decoding"].median
    assert 0 < measurement.rate <= 1000 / measurement.stages["decoding"].median
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


TIMING = Timing(12.34, 20)


def test_the_gpu_has_a_column_where_there_is_one():
    without = Measurement(CASE, {"total": TIMING}, 50, 1, 300, None)
    assert table([without]).splitlines()[0].split()[-2:] == ["tracked", "memory"]
    heading, row = table([Measurement(CASE, {"total": TIMING}, 50, 1, 300, 50)]).splitlines()
    assert heading.endswith("GPU memory")
    assert row.split() == ["160x120", "2", "5", "12.3", "/", "20.0", "50.0", "100%", "300", "MiB", "50", "MiB"]


def test_a_stage_that_a_case_has_not_is_an_empty_cell():
    both = {"total": TIMING, "reinit": TIMING}
    rows = table([Measurement(CASE, {"total": TIMING}, 50, 1, 300, None), Measurement(CASE, both, 50, 1, 300, None)])
    assert [row.count("/") for row in rows.splitlines()] == [1, 1, 2]  # One is in "frames/s".


def test_times_are_median_and_95th_percentile():
    assert Timing.of([float(each) for each in range(101)]) == Timing(50, 95)


def test_a_measurement_as_json():
    assert Measurement(CASE, {"total": Timing(2, 3)}, 40, 1, 300, None).as_json() == {
        "size": [160, 120],
        "objects": 2,
        "points": 5,
        "beside": 0,
        "stages_ms": {"total": {"median": 2, "p95": 3}},
        "frames_per_second": 40,
        "tracked": 1,
        "memory_mib": 300,
        "cuda_mib": None,
    }


def test_the_machine_has_a_name():
    assert "cores" in machine()
