"""The diagnostics of a node that tracks, and of one without images."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from fakes import SIDE
from node_harness import CAMERA, CAMERA_INFO, HEIGHT, IMAGE, WIDTH, wait_for
from sampt_ros.msg import QueryPoints
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header


def test_diagnostics_come_by_themselves_and_count_everything(sampt):
    sampt.start_object((20, 20))
    sampt.track()
    arrived = len(sampt.reports)
    wait_for(lambda: len(sampt.reports) > arrived, "the node is silent")
    values = sampt.diagnostics()
    counts = {name: int(value) for name, value in values.items() if name.startswith(("frames_", "queries_"))}
    assert counts == {
        "frames_received": 2,
        "frames_tracked": 2,
        "frames_dropped": 0,
        "frames_rejected": 0,
        "queries_accepted": 1,
        "queries_refused": 0,
    }
    assert (values["level"], values["message"]) == ("OK", "tracking; objects: 1")
    assert values["object 1"] == f"TRACKING, score 1.00, {SIDE**2} px"
    assert {f"{stage} (ms, median / p95)" for stage in ("tracking", "encoding", "decoding", "latency")} <= set(values)


def test_an_object_that_was_removed_is_not_reported_though_no_image_came_since(sampt):
    sampt.start_object((20, 20))
    sampt.track()
    sampt.query(id=1, action=QueryPoints.REMOVE)
    sampt.wait_for_count("queries_accepted", 2)
    values = sampt.diagnostics()
    assert "objects" not in values["message"]
    assert "object 1" not in values


def test_diagnostics_warn_that_no_image_comes(start_node):
    values = start_node().start().diagnostics()
    assert (values["level"], values["message"]) == ("WARN", f"no image on {IMAGE} yet; its publishers: 0")


@pytest.mark.parametrize(
    ("topic", "clicks", "told"),
    [
        ("/camera/image_rect_color", True, True),
        ("/camera/image_rect_color", False, False),  # 3D is not in use
        ("/camera/image_raw", True, False),
    ],
)
def test_images_that_are_called_rectified_and_read_as_raw_are_told(start_node, monkeypatch, topic, clicks, told):
    monkeypatch.setattr("node_harness.IMAGE", topic)
    node = start_node().start()
    node.track()
    k = [64.0, 0.0, 32.0, 0.0, 64.0, 24.0, 0.0, 0.0, 1.0]
    p = [60.0, 0.0, 30.0, 0.0, 0.0, 60.0, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    model = {"distortion_model": "plumb_bob", "d": [0.1, 0.0, 0.0, 0.0, 0.0]}
    node.publish(CAMERA_INFO, CameraInfo(header=Header(frame_id=CAMERA), width=WIDTH, height=HEIGHT, k=k, p=p, **model))
    wait_for(lambda: node.node._stream.depth_queue.camera is not None, "the node does not see the CameraInfo")
    if clicks:
        node.click_3d((0.0, 0.0, 1.0), CAMERA)
        node.wait_for_count("queries_accepted", 1)
    expected = f"{topic} is rectified by its name, and its CameraInfo is read as that of raw images"
    values = node.diagnostics()
    assert (expected in values["message"], values["level"]) == (told, "WARN" if told else "OK")
    assert node.set_parameter("rectified", True).successful
    assert expected not in node.diagnostics()["message"]
