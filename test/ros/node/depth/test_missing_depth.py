"""Depth that does not come, does not pair or cannot be used: tracking goes on in 2D, and the diagnostics say why."""

from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from node_depth import CENTRE, COMPRESSED, DEPTH, FAR, FOCAL, begin_depth, positions, seen_at, send_depth, track_in_3d
from node_harness import CAMERA, CAMERA_INFO, HEIGHT, START_NS, WIDTH, wait_for
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sampt_ros.ros import diagnostics


def test_without_depth_2d_goes_on_and_the_diagnostics_say_so(start_node):
    sampt = track_in_3d(start_node())
    node = sampt.node
    stamp = node.track().stamp
    assert np.isnan(positions(node, stamp)).all()
    values = node.diagnostics()
    assert (values["level"], values["message"]) == ("WARN", f"tracking; objects: 1; no depth on {DEPTH} yet: 2D only")
    begin_depth(node)
    send_depth(node, node.send())
    wait_for(lambda: sampt.poses and sampt.clouds, "nothing in 3D")
    assert (node.diagnostics()["level"], node.diagnostics()["message"]) == ("OK", "tracking; objects: 1")
    # it falls silent
    assert node.set_parameter("depth_timeout", 0.05).successful
    wait_for(lambda: node.diagnostics()["level"] == "WARN", "nobody notices that there is no depth")
    assert f"no depth on {DEPTH} for " in node.diagnostics()["message"]
    before = len(sampt.poses)
    assert np.isnan(positions(node, node.track().stamp)).all()
    assert len(sampt.poses) == before


@pytest.mark.parametrize(
    ("depth", "reason"),
    [
        (np.zeros((HEIGHT, WIDTH), np.uint8), "expected depth encoded as one of 16UC1, mono16, 32FC1; got '8UC1'"),
        (np.zeros((HEIGHT, WIDTH + 2), np.uint16), "expected depth of the image's size 64x48; got 66x48"),
        (np.zeros((HEIGHT, WIDTH), np.uint16), "expected depth in which something is measured; got 0, NaN or the like"),
    ],
    ids=["encoding", "size", "nothing"],
)
def test_depth_that_cannot_be_used_is_left_out_with_the_reason(sampt, depth, reason):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp, depth)
    assert np.isnan(positions(node, stamp)).all()
    assert reason in node.diagnostics()["message"]
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isfinite(positions(node, stamp)).all()
    assert node.diagnostics()["level"] == "OK"


def test_depth_without_camera_info_is_told(start_node):
    node = start_node()
    node.start_object((20, 20))
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isnan(positions(node, stamp)).all()
    assert "no CameraInfo on /camera/camera_info: 2D only" in node.diagnostics()["message"]


def test_the_reason_of_a_refused_camera_info_is_told_with_the_click(start_node):
    node = start_node()
    info = CameraInfo(width=WIDTH, height=HEIGHT, k=[64.0, 0, 32, 0, 64, 24, 0, 0, 1], distortion_model="thin_prism")
    info.d = [0.1]
    node.publish(CAMERA_INFO, info)
    node.wait_for_count("camera_info_rejected", 1)
    node.click_3d(tuple(seen_at(20, 20, FAR)), CAMERA)
    reason = node.wait_for_count("queries_refused", 1)
    assert "before a 3D click; got one that cannot be used: expected a distortion model of plumb_bob" in reason
    begin_depth(node)
    wait_for(lambda: "is refused" in node.diagnostics()["message"], "the diagnostics do not say so")
    assert f"the CameraInfo on {CAMERA_INFO} is refused: expected a distortion model" in node.diagnostics()["message"]


def test_a_latched_camera_info_published_once_is_heard(start_node):
    node = start_node()
    assert node.change_state("deactivate")
    k = [FOCAL, 0.0, CENTRE[0], 0.0, FOCAL, CENTRE[1], 0.0, 0.0, 1.0]
    node.latch(CAMERA_INFO, CameraInfo(width=WIDTH, height=HEIGHT, k=k))
    assert node.change_state("activate")
    wait_for(lambda: node.node._stream.depth_queue.camera is not None, "the latched CameraInfo is not heard")


@pytest.mark.parametrize(("late", "apart"), [(30, "0.030"), (-30, "0.030"), (5_000_000, "4999.")])
def test_depth_that_never_pairs_is_told_with_the_offset_and_the_parameter(start_node, late, apart):
    node = track_in_3d(start_node()).node
    for index in range(8):
        stamp = node.send(stamp=START_NS + (index + 2) * 100_000_000)
        send_depth(node, stamp + late * 1_000_000)
        wait_for(lambda stamp=stamp: stamp in node.masks, "no mask")
    wait_for(lambda: "apart" in node.diagnostics()["message"], lambda: node.diagnostics()["message"])
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert f"depth on {DEPTH} is {apart}" in values["message"]
    assert "apart from every image, and depth_slop is 0.02 s: 2D only" in values["message"]
    # it pairs again
    stamp = node.send(stamp=stamp + 100_000_000)
    send_depth(node, stamp)
    if abs(late) < 1000:
        wait_for(lambda: node.diagnostics()["level"] == "OK", lambda: node.diagnostics()["message"])


def test_depth_that_comes_too_late_is_told(sampt):
    node = sampt.node
    stamps = [node.send() for _ in range(1)]
    for _ in range(12):
        stamps.append(node.send())
        wait_for(lambda: stamps[-1] in node.masks, "no mask")
        if len(stamps) > 5:
            send_depth(node, stamps[-5])
    message = f"depth on {DEPTH} comes more than two frames after its images: 2D only"
    wait_for(lambda: message in node.diagnostics()["message"], lambda: node.diagnostics()["message"])


def test_depth_in_another_frame_than_the_images_is_used_and_doubted(sampt):
    node = sampt.node
    stamp = node.send()
    send_depth(node, stamp, frame_id="depth_frame")
    assert np.isfinite(positions(node, stamp)).all()
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert f"depth on {DEPTH} is in frame 'depth_frame', the images are in '{CAMERA}'" in values["message"]


@pytest.mark.parametrize(
    ("heard", "published", "other"),
    [
        ("raw", COMPRESSED, "compressedDepth"),
        ("compressedDepth", DEPTH, "raw"),
        ("raw", f"{DEPTH}/compressed", "compressed"),
    ],
)
def test_depth_that_is_published_in_the_other_form_alone_is_told(start_node, listener, heard, published, other):
    node = start_node(depth_transport=heard)
    listener.node.create_publisher(Image if published == DEPTH else CompressedImage, published, 1)
    wait_for(lambda: node.node.count_publishers(published), "the node does not see the publisher")
    message = node.diagnostics()["message"]
    assert f" yet, but {published} is published (depth_transport: {other}): 2D only" in message


def test_what_stays_wrong_is_told_once_in_the_log(start_node, monkeypatch):
    monkeypatch.setattr(diagnostics, "_GRACE_PERIOD", 0.0)
    node = start_node()
    told: list[str] = []
    monkeypatch.setattr(node.node._log, "warning", told.append)
    for _ in range(3):
        node.diagnostics()
    assert [text for text in told if "no depth" in text] == [f"no depth on {DEPTH} yet: 2D only"]


def test_without_message_filters_2d_works_and_the_diagnostics_say_why(start_node, monkeypatch):
    monkeypatch.setitem(sys.modules, "message_filters", None)
    node = start_node()
    node.start_object((20, 20))
    assert np.isnan(positions(node, node.track().stamp)).all()
    assert node.node.count_subscribers(DEPTH) == 0
    values = node.diagnostics()
    assert values["level"] == "WARN"
    assert "message_filters is not installed" in values["message"]


def test_depth_is_not_listened_to_unless_asked_for(start_node):
    node = start_node(use_depth=False)
    assert node.node.count_subscribers(DEPTH) == 0
    assert node.diagnostics()["level"] == "OK"


def test_after_a_restart_depth_is_paired_anew(sampt):
    node = sampt.node
    assert node.change_state("deactivate")
    assert node.change_state("activate")
    node._publishers.clear()  # the node's subscriptions are others now
    begin_depth(node)
    stamp = node.send()
    send_depth(node, stamp)
    assert np.isfinite(positions(node, stamp)).all()


def test_depth_for_images_that_are_called_rectified_and_read_as_raw_is_told_to_be_wrong(start_node, monkeypatch):
    monkeypatch.setattr("node_harness.IMAGE", "/camera/image_rect")
    node = start_node()
    k, p = np.array([[64.0, 0, 32], [0, 64, 24], [0, 0, 1]]), np.array([[60.0, 0, 30, 0], [0, 60, 20, 0], [0, 0, 1, 0]])
    info = CameraInfo(header=Header(frame_id=CAMERA), width=WIDTH, height=HEIGHT, k=k.ravel(), p=p.ravel())
    node.publish(CAMERA_INFO, info)
    wait_for(lambda: "/camera/image_rect is rectified by its name" in node.diagnostics()["message"], "nothing is told")
