"""deploy/health.py, with which containers ask the node how it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from node_harness import Harness
from ros_helpers import RELIABLE, listener, ros_domain  # noqa: F401

HEALTH = Path(__file__).resolve().parents[2] / "deploy/health.py"
if not HEALTH.is_file():
    pytest.skip("deployment is not part of an installed package", allow_module_level=True)


def ask() -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, HEALTH], capture_output=True, text=True, timeout=90)


def test_a_node_that_waits_for_images_is_well(ros_domain):  # noqa: F811
    node = Harness().start()
    try:
        answer = ask()
    finally:
        node.close()
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "no image on /camera/image_raw" in answer.stdout


def test_a_node_that_cannot_be_configured_is_not(listener):  # noqa: F811
    publisher = listener.node.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)
    other = DiagnosticStatus(name="lidar", level=DiagnosticStatus.OK)
    status = DiagnosticStatus(
        name="/front/sampt: stream", level=DiagnosticStatus.ERROR, message="cannot configure: ..."
    )
    listener.node.create_timer(0.2, lambda: publisher.publish(DiagnosticArray(status=[other, status])))
    answer = ask()
    assert (answer.returncode, answer.stdout) == (1, "cannot configure: ...\n"), answer.stderr


def test_silence_is_not_health(ros_domain):  # noqa: F811
    answer = ask()
    assert (answer.returncode, answer.stdout) == (1, "no report of 'sampt: stream' on /diagnostics in 10 s\n")
