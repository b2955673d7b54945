"""The node with every preset in small, with random weights: what can be done to an object, by topics and services."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from node_harness import FRAME_NS, START_NS, Harness
from sampt_ros.msg import QueryPoints, TrackedObject
from small_networks import CHANGES, require, shrink_networks
from std_srvs.srv import Trigger
from synthetic import two_disks

from sampt_ros.config.presets import preset_names
from sampt_ros.tracking.sam_pt import SamPt

REMOVE = QueryPoints.REMOVE


@pytest.fixture(params=preset_names())
def sampt(request, monkeypatch, ros_domain) -> Iterator[Harness]:
    """The active node with a preset."""
    shrink_networks(monkeypatch)
    require(request.param)
    harness = Harness(SamPt, preset=request.param, **CHANGES)
    try:
        yield harness.start()
    finally:
        harness.close()


def test_objects_are_added_corrected_lost_and_removed_and_reset_forgets_them(sampt):
    frames = [two_disks(index) for index in range(10)]
    sampt.track(frames[0][0])
    for mask in frames[0][1:]:
        sampt.start_object(mask=mask.astype(np.uint8))
    result = sampt.track(frames[1][0])
    assert sorted(result.objects) == [1, 2]
    assert result.mask.shape == (96, 128)

    sampt.start_object((44, 48), (110, 20, 0), id=1)  # a correction
    assert sorted(sampt.track(frames[2][0]).objects) == [1, 2]

    sampt.start_object(id=2, action=REMOVE)
    assert sorted(sampt.track(frames[3][0]).objects) == [1]

    # After a jump back in time, which five frames have to show, objects may be anywhere.
    for index in range(4, 9):
        stamp = START_NS + (index - 100) * FRAME_NS
        sampt.send(frames[index][0], stamp=stamp)
        sampt.wait_for_count("frames_received", index + 1)
    lost = sampt.result(stamp).objects
    assert {item.state for item in lost.values()} <= {TrackedObject.LOST, TrackedObject.REACQUIRED}

    assert sampt.call(Trigger, "reset").success
    assert sampt.track(frames[9][0], stamp=stamp + FRAME_NS).objects == {}
    told = sampt.diagnostics()
    assert (told["frames_tracked"], told["frames_rejected"], told["queries_refused"]) == ("6", "4", "0"), told
