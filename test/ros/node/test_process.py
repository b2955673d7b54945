"""`sampt_node` as a process of its own, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from lifecycle_msgs.srv import GetState
from node_harness import CAMERA, FRAME_NS, PATIENCE, START_NS, as_array, call, wait_for
from sampt_ros.msg import QueryPoint, QueryPoints
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from synthetic import two_disks

from sampt_ros.ros.conversions import image_from_array, time_from_ns


@contextmanager
def process(folder, *parameters: str) -> Iterator[subprocess.Popen]:
    """`sampt_node`, started in `folder`."""
    given = [word for parameter in parameters for word in ("-p", parameter)]
    command = [sys.executable, "-m", "sampt_ros.ros.node", "--ros-args", *given]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


def test_an_interrupt_during_inference_ends_the_process_cleanly(listener, tmp_path):
    masks = listener.listen(Image, "/sampt/mask")
    images = listener.node.create_publisher(Image, "/image", 5)
    queries = listener.node.create_publisher(QueryPoints, "/sampt/query_points", 5)
    shown = iter(range(100_000))

    def show() -> None:
        index = next(shown)
        header = Header(stamp=time_from_ns(START_NS + index * FRAME_NS), frame_id=CAMERA)
        images.publish(image_from_array(two_disks(index)[0], "rgb8", header))
        if index % 50 == 0 and not tracking():  # Twice a second: each query starts an object of its own.
            queries.publish(QueryPoints(points=[QueryPoint(x=36.0, y=48.0, label=QueryPoint.POSITIVE)]))

    def tracking() -> bool:
        return bool(masks) and as_array(masks[-1]).any()

    with process(tmp_path) as node:
        listener.node.create_timer(0.01, show)
        wait_for(tracking, "nothing is tracked")
        node.send_signal(signal.SIGINT)
        _, log = node.communicate(timeout=PATIENCE)
    assert node.returncode == 0, log
    assert "Traceback" not in log


def log_of_unconfigured(listener, folder, parameter: str, end: signal.Signals) -> str:
    """The log of a node that stays unconfigured with this parameter, and ends well when it gets a signal."""
    with process(folder, parameter) as node:
        answer = call(listener.node, GetState, "/sampt/get_state")
        node.send_signal(end)
        _, log = node.communicate(timeout=PATIENCE)
    assert answer.current_state.label == "unconfigured"
    assert (node.returncode, "Traceback" in log) == (0, False), log
    return log


def test_without_autostart_the_node_waits_for_its_transitions(listener, tmp_path):
    log_of_unconfigured(listener, tmp_path, "autostart:=false", signal.SIGTERM)


def test_a_failed_start_is_told_and_the_process_lives(listener, tmp_path):
    log = log_of_unconfigured(listener, tmp_path, "preset:=magic", signal.SIGINT)
    assert "cannot configure: unknown preset 'magic'" in log
