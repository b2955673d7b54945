"""Objects as TF frames, and the reason where none are broadcast."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

import fake_tf2_ros
from node_depth import begin_depth, send_depth, track_in_3d
from node_harness import CAMERA, FRAME_NS, START_NS, wait_for


@pytest.mark.parametrize(
    ("parameters", "frame_id", "reason"),
    [
        ({"use_depth": False}, CAMERA, "use_depth is not"),
        ({}, CAMERA, "tf2_ros is not installed"),
        ({}, "", "the images' frame_id is empty"),
    ],
)
def test_why_nothing_is_broadcast_is_told(start_node, monkeypatch, parameters, frame_id, reason):
    broadcast: list = []
    if frame_id:
        monkeypatch.setitem(sys.modules, "tf2_ros", None)
    else:
        fake_tf2_ros.use(monkeypatch)
        monkeypatch.setattr(fake_tf2_ros.TransformBroadcaster, "sendTransform", lambda _, each: broadcast.append(each))
    node = start_node(broadcast_tf=True, **parameters)
    node.send_camera_info()
    stamp = node.send(stamp=START_NS + FRAME_NS, frame_id=frame_id)
    node.start_object((20, 20), frame_id=frame_id)
    stamp = node.send(stamp=stamp + FRAME_NS, frame_id=frame_id)
    if not parameters:
        send_depth(node, stamp)
        wait_for(lambda: stamp in node.points, "no points")
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert f"broadcast_tf is set, but {reason}: nothing is broadcast on TF" in values["message"]
    assert broadcast == []


def test_objects_are_broadcast_on_tf(start_node, listener):
    tf2_ros = pytest.importorskip("tf2_ros", reason="needs tf2_ros, which is not on PyPI")
    from rclpy.time import Time

    sampt = track_in_3d(start_node(broadcast_tf=True))
    begin_depth(sampt.node)
    buffer = tf2_ros.Buffer()
    tf2_ros.TransformListener(buffer, listener.node)
    stamps: list[int] = []

    def arrived() -> bool:
        stamps.append(sampt.node.send())
        send_depth(sampt.node, stamps[-1])
        wait_for(lambda: stamps[-1] in sampt.poses, "no pose")
        return buffer.can_transform(CAMERA, "sampt/object_1", Time(nanoseconds=stamps[-1]))

    wait_for(arrived, "no transform")
    (pose,) = sampt.poses[stamps[-1]].poses
    found = buffer.lookup_transform(CAMERA, "sampt/object_1", Time(nanoseconds=stamps[-1])).transform
    assert found.rotation == pose.orientation
    assert (found.translation.x, found.translation.y, found.translation.z) == (
        pose.position.x,
        pose.position.y,
        pose.position.z,
    )
