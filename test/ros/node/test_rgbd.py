"""The node on a real RGB-D recording with poses, played as a camera, its depth, its CameraInfo and TF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")
pytest.importorskip("message_filters", reason="needs message_filters, which is not on PyPI")
pytest.importorskip("tf2_ros", reason="needs tf2_ros, which is not on PyPI")

import cv2
import tf2_ros
from geometry_msgs.msg import TransformStamped
from node_harness import CAMERA, CAMERA_INFO, IMAGE, Harness, raw_image, wait_for
from recordings import registered
from ros_helpers import Listener
from sampt_ros.msg import TrackedObject
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from sampt_ros.io.rgbd_recording import Recording, View
from sampt_ros.ros.conversions import time_from_ns
from sampt_ros.tracking.sam_pt import SamPt

FRAMES = 31
DEPTH = "/camera/depth"
# pixels of the first frame: a mug, a magazine, a chair and a table leg
CLICKED = np.array([(381, 181), (470, 216), (200, 220), (260, 300)])


@dataclass
class Played:
    """What the node made of the recording: messages by frame, and the pixels where 3D clicks landed."""

    views: list[View]
    messages: list[Any] = field(default_factory=list)
    landed: list[tuple[float, float]] = field(default_factory=list)


@pytest.fixture(scope="module")
def played(ros_domain, shared_folder) -> Iterator[Played]:
    """Every object is clicked in the world's frame, at the time of the first image; then 30 frames are tracked."""
    reliable = [f"qos_overrides.{topic}.subscription.reliability:=reliable" for topic in (IMAGE, DEPTH)]
    args = ["-r", f"depth:={DEPTH}", *(word for value in reliable for word in ("-p", value))]
    # points are not drawn anew, so that the same ones are seen to the end
    node = Harness(SamPt, args, use_depth=True, depth_timeout=60.0, tf_timeout=5.0, reinit__policy="never")
    people = Listener()
    try:
        yield play(node, tf2_ros.TransformBroadcaster(people.node), shared_folder / "data/rgbd")
    finally:
        node.close()
        people.close()


def play(node: Harness, broadcaster: Any, folder: Any) -> Played:
    result = Played([registered(view) for view in islice(Recording(folder), FRAMES)])
    camera = result.views[0].camera
    node.start()
    for index, view in enumerate(result.views):
        stamp = node.next_stamp()
        broadcaster.sendTransform(camera_in_world(view, stamp))
        send_depth(node, view, stamp)
        if index == 0:
            k = camera.K.reshape(-1).tolist()
            node.publish(CAMERA_INFO, CameraInfo(width=camera.width, height=camera.height, k=k))
            wait_for(lambda: node.node._stream.depth_queue.camera is not None, "no CameraInfo")
            wait_for(lambda: "no depth" not in node.diagnostics()["message"], "depth is not heard")
        node.send(view.image, stamp=stamp)
        node.result(stamp)
        result.messages.append(node.points[stamp])
        if index == 0:
            watch_clicks(node, result.landed)
            for world in view.world(CLICKED):
                node.click_3d(tuple(map(float, world)), "world", stamp=stamp)
            node.wait_for_count("queries_accepted", len(CLICKED))
    # the camera has moved: the same points of the world are elsewhere in the last image
    for world in result.views[0].world(CLICKED):
        node.click_3d(tuple(map(float, world)), "world", stamp=stamp)
    node.wait_for_count("queries_accepted", 2 * len(CLICKED))
    return result


def camera_in_world(view: View, stamp: int) -> TransformStamped:
    """The recording's pose on TF."""
    message = TransformStamped(header=Header(stamp=time_from_ns(stamp), frame_id="world"), child_frame_id=CAMERA)
    move, turn = message.transform.translation, message.transform.rotation
    move.x, move.y, move.z = view.pose[:3, 3]
    axis = cv2.Rodrigues(view.pose[:3, :3])[0][:, 0]
    angle = np.linalg.norm(axis)
    turn.x, turn.y, turn.z = axis / angle * np.sin(angle / 2)
    turn.w = float(np.cos(angle / 2))
    return message


def send_depth(node: Harness, view: View, stamp: int) -> None:
    millimetres = np.rint(1000 * view.depth).astype(np.uint16)
    height, width = millimetres.shape
    message = raw_image("16UC1", millimetres.tobytes(), 2 * width, width, height)
    message.header = Header(stamp=time_from_ns(stamp), frame_id=CAMERA)
    node.publish(DEPTH, message)


def watch_clicks(node: Harness, landed: list[tuple[float, float]]) -> None:
    """Keep the pixels of the session's clicks."""
    session = node.node._stream.session
    click = session.click

    def watched(xy: tuple[float, float], *rest: Any) -> Any:
        landed.append(xy)
        return click(xy, *rest)

    session.click = watched


def test_a_click_in_the_world_lands_where_the_true_pose_and_depth_put_it(played, record_property):
    first, last = played.views[0], played.views[-1]
    expected, seen = last.project(first.world(CLICKED))
    assert seen.all()
    assert np.linalg.norm(expected - CLICKED, axis=1).min() > 3  # else the test would say nothing
    errors = np.linalg.norm(np.array(played.landed) - np.concatenate([CLICKED, expected]), axis=1)
    record_property("pixels off", errors.round(3).tolist())
    assert errors.max() < 3


def test_static_points_stay_where_they_are_in_the_world(played, record_property):
    paths: dict[int, list[np.ndarray]] = {}
    for view, message in zip(played.views, played.messages, strict=True):
        for item in message.objects:
            for point in item.points:
                xyz = np.array([point.position.x, point.position.y, point.position.z])
                if point.visible and np.isfinite(xyz).all():
                    paths.setdefault(point.id, []).append(view.pose[:3, :3] @ xyz + view.pose[:3, 3])
    assert len(paths) >= 8 * len(CLICKED)
    lengths = [len(path) for path in paths.values()]
    moved = np.concatenate([np.linalg.norm(np.array(path) - path[0], axis=1)[1:] for path in paths.values()])
    record_property(
        "points, frames, metres off (median, p90)",
        [len(paths), np.median(lengths), *np.percentile(moved, [50, 90]).round(4)],
    )
    assert np.median(lengths) >= 25
    assert np.median(moved) <= 0.02


def test_the_objects_are_tracked_and_have_poses_to_the_end(played):
    states = [[item.state for item in message.objects] for message in played.messages[1:]]
    assert np.mean(np.array(states) == TrackedObject.TRACKING) > 0.9
    places = [[item.pose.position.z for item in message.objects] for message in played.messages[1:]]
    assert np.isfinite(places).mean() > 0.9
