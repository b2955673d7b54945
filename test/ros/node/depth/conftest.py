"""Fixtures of the tests of a node that listens to depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import fake_message_filters
import pytest


@pytest.fixture(autouse=True)
def message_filters(monkeypatch):
    """ROS's own, or what does the same where it is not installed."""
    fake_message_filters.use_where_missing(monkeypatch)


@pytest.fixture
def start_node(start_node) -> Callable:
    """Makes an active Harness that listens to depth and has tracked a frame, without depth."""
    from node_depth import DEPTH

    start_harness = start_node

    def start(**parameters: Any):
        options = {"use_depth": True, "depth_timeout": 20.0} | parameters
        harness = start_harness(args=["-r", f"depth:={DEPTH}"], **options).start()
        harness.track()
        return harness

    return start


@pytest.fixture
def sampt(start_node):
    """A node that has heard depth, with an object at (20, 20), and its messages in 3D; see node_depth.track_in_3d."""
    from node_depth import begin_depth, send_depth, track_in_3d
    from node_harness import wait_for

    sampt = track_in_3d(start_node())
    begin_depth(sampt.node)
    stamp = sampt.node.send()
    send_depth(sampt.node, stamp)
    wait_for(lambda: stamp in sampt.poses and stamp in sampt.clouds, "nothing in 3D")  # nor is anything still to come
    sampt.poses.clear()
    sampt.clouds.clear()
    return sampt
