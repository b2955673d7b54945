from __future__ import annotations

import numpy as np
import pytest

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.streaming.offline.result_spool import ResultSpool


def result(index, area):
    mask = np.arange(12).reshape(3, 4) < area
    points = Points.start(np.array([7]), np.array([(1.5, 2)]), np.array([1]))
    found = ObjectResult(2, ObjectState.TRACKING, 0.9, LocalMask.of(mask), points)
    return FrameResult(index, (3, 4), (found,), {"decoding": 1.5})


def test_results_come_back_as_they_were_in_any_order():
    spool = ResultSpool()
    for index in (5, 4, 3):
        spool.put(result(index, area=index))
    for index in (3, 5, 4):
        kept = spool.get(index)
        (item,) = kept.objects
        assert (kept.index, kept.size, kept.stages) == (index, (3, 4), {"decoding": 1.5})
        assert (item.id, item.state, item.score, item.area) == (2, ObjectState.TRACKING, 0.9, index)
        assert item.points.xy.tolist() == [[1.5, 2]]


def test_a_frame_that_was_not_kept_has_no_result():
    spool = ResultSpool()
    assert spool.get(0) is None
    spool.put(result(1, area=1))
    assert spool.get(0) is None


def test_a_full_disk_is_reported(monkeypatch):
    class FullDisk:
        def seek(self, offset, whence):
            return 0

        def write(self, data):
            raise OSError(28, "No space left on device")

    spool = ResultSpool()
    monkeypatch.setattr(spool, "_file", FullDisk())
    with pytest.raises(SourceError, match=r"cannot write to .*: No space left on device"):
        spool.put(result(0, area=1))
