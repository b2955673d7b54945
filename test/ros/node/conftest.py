"""Fixtures of the tests of a running node; a test module may replace `start_node` and `sampt` by its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec

import pytest

if find_spec("rclpy"):  # Without ROS 2 the test modules of this folder are skipped.
    from ros_helpers import listener, ros_domain  # noqa: F401


@pytest.fixture
def start_node(ros_domain) -> Iterator[Callable]:
    """Makes a Harness, still unconfigured, which is closed after the test."""
    from node_harness import Harness

    made: list[Harness] = []

    def start(*values, **options) -> Harness:
        made.append(Harness(*values, **options))
        return made[-1]

    yield start
    for harness in made:
        harness.close()


@pytest.fixture
def sampt(start_node):
    """An active node that has tracked one frame."""
    harness = start_node().start()
    harness.track()
    return harness


@pytest.fixture
def busy(start_node):
    """An active node with as many objects as it may have: one."""
    harness = start_node(max_objects=1).start()
    harness.track()
    harness.start_object((20, 20))
    return harness
