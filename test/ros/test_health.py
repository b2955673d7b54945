"""deploy/health.py, with which containers ask the node how it is."""

from __future__ import annotations

import os
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


def ask(nodes: str = "/sampt") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SAMPT_NODE": nodes}
    return subprocess.run([sys.executable, HEALTH], capture_output=True, text=True, timeout=90, env=environment)


@pytest.fixture
def report(listener):  # noqa: F811
    """Lets a node of this name report this level, once and again."""
    publisher = listener.node.create_publisher(DiagnosticArray, "/diagnostics", RELIABLE)

    def start(name: str, level: bytes) -> None:
        other = DiagnosticStatus(name="lidar", level=DiagnosticStatus.OK)
        status = DiagnosticStatus(name=f"{name}: stream", level=level, message=f"of {name}")
        listener.node.create_timer(0.2, lambda: publisher.publish(DiagnosticArray(status=[other, status])))

    return start


def test_a_node_that_waits_for_images_is_well(ros_domain):  # noqa: F811
    node = Harness().start()
    try:
        answer = ask()
    finally:
        node.close()
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "sampt: no image on /camera/image_raw" in answer.stdout


@pytest.mark.parametrize("nodes", ["/front/sampt", "front/sampt,", "//front//sampt"])
def test_a_node_that_cannot_be_configured_is_not(report, nodes):
    report("front/sampt", DiagnosticStatus.ERROR)
    report("back/sampt", DiagnosticStatus.OK)
    answer = ask(nodes)
    assert (answer.returncode, answer.stdout) == (1, "front/sampt: of front/sampt\n"), answer.stderr


def test_what_another_robots_node_says_is_not_this_ones_health(report):
    report("robot_b/sampt", DiagnosticStatus.OK)
    answer = ask()
    expected = "no report of 'sampt: stream' on /diagnostics in 10 s; heard of robot_b/sampt\n"
    assert (answer.returncode, answer.stdout) == (1, expected), answer.stderr


def test_another_robots_fault_leaves_this_one_well(report):
    report("robot_b/sampt", DiagnosticStatus.ERROR)
    report("sampt", DiagnosticStatus.WARN)
    answer = ask()
    assert (answer.returncode, answer.stdout) == (0, "sampt: of sampt\n"), answer.stderr


@pytest.mark.parametrize(("level", "status"), [(DiagnosticStatus.OK, 0), (DiagnosticStatus.ERROR, 1)])
def test_of_several_nodes_all_have_to_be_well(report, level, status):
    report("left/sampt", DiagnosticStatus.OK)
    report("right/sampt", level)
    answer = ask("left/sampt, right/sampt")
    assert answer.returncode == status, answer.stdout + answer.stderr
    assert answer.stdout == "left/sampt: of left/sampt\nright/sampt: of right/sampt\n"


def test_silence_is_not_health(ros_domain):  # noqa: F811
    answer = ask()
    assert (answer.returncode, answer.stdout) == (1, "no report of 'sampt: stream' on /diagnostics in 10 s\n")
