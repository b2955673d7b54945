"""Transforms that the node hears: in a thread of their own, for as long as the node is active."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

import fake_tf2_ros
from geometry_msgs.msg import TransformStamped
from node_harness import CAMERA, START_NS, Harness, wait_for
from ros_helpers import Listener, listener, ros_domain  # noqa: F401
from std_msgs.msg import Header

from sampt_ros.errors import QueryError
from sampt_ros.ros.conversions import time_from_ns


@pytest.fixture
def start_node(ros_domain, monkeypatch) -> Iterator[Callable[..., Harness]]:  # noqa: F811
    """Makes an active Harness that hears TF, by ROS's own tf2_ros or by what does the same where it is missing."""
    fake_tf2_ros.use_where_missing(monkeypatch)
    made: list[Harness] = []

    def start(**options: Any) -> Harness:
        harness = Harness(**options)
        made.append(harness)
        return harness.start()

    yield start
    for harness in made:
        harness.close()


@pytest.fixture
def send_transform(start_node, listener) -> Callable[[float], None]:  # noqa: F811
    """Publishes that the camera is so many metres before the map's origin."""
    broadcaster = importlib.import_module("tf2_ros").TransformBroadcaster(listener.node)

    def send(x: float) -> None:
        header = Header(frame_id="map", stamp=time_from_ns(START_NS))
        message = TransformStamped(header=header, child_frame_id=CAMERA)
        message.transform.translation.x, message.transform.rotation.w = x, 1.0
        broadcaster.sendTransform(message)

    return send


def origin(harness: Harness) -> float | None:
    """The x of the camera's origin in the map, as far as the node knows."""
    with suppress(QueryError):
        return float(harness.node._tf.transform_point(np.zeros(3), CAMERA, "map", START_NS, timeout=0.0)[0])
    return None


def has_heard(harness: Harness, send: Callable[[float], None], x: float) -> Callable[[], bool]:
    """Sends again until the node knows: whoever has just begun to listen may miss the first ones."""
    return lambda: send(x) or origin(harness) == pytest.approx(x)


def test_transforms_come_in_while_the_executor_is_busy(start_node, send_transform):
    sampt, begun, gate = start_node(), threading.Event(), threading.Event()
    busy = sampt._executor.create_task(lambda: begun.set() or gate.wait(60.0))
    assert begun.wait(10.0)
    try:
        wait_for(has_heard(sampt, send_transform, 1.5), "no transform")
        assert not busy.done()
    finally:
        gate.set()


def test_transforms_are_heard_while_the_node_is_active_and_no_longer(start_node, send_transform):
    sampt = start_node()
    wait_for(has_heard(sampt, send_transform, 1.5), "no transform")
    assert sampt.change_state("deactivate")
    wait_for(lambda: not sampt.node.count_subscribers("/tf"), "somebody listens still")
    assert "tf" not in [thread.name for thread in threading.enumerate()]
    assert sampt.change_state("activate")
    assert origin(sampt) is None
    wait_for(has_heard(sampt, send_transform, 2.5), "no transform after the second activation")


def test_a_remapping_of_tf_holds_for_the_node(start_node, send_transform):
    sampt = start_node(args=["-r", "/tf:=/robot/tf"])
    wait_for(lambda: sampt.node.count_subscribers("/robot/tf") == 1, "nobody listens to the remapped topic")
    assert sampt.node.count_subscribers("/tf") == 0


def test_a_listener_that_fails_on_one_message_hears_the_next(start_node, send_transform, monkeypatch):
    sampt = start_node()
    buffer, told = sampt.node._tf._buffer, []
    monkeypatch.setattr(sampt.node._log, "error", told.append)
    take = buffer.set_transform

    def fail_once(*arguments: Any) -> None:
        monkeypatch.setattr(buffer, "set_transform", take)
        raise ValueError("not a transform")

    monkeypatch.setattr(buffer, "set_transform", fail_once)
    wait_for(has_heard(sampt, send_transform, 1.5), "no transform")
    assert told == ["a transform is dropped because of a fault: ValueError: not a transform"]
