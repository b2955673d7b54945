"""The examples that use the node, each in a process of its own as people run it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from fakes import SIDE
from geometry_msgs.msg import Point, Pose
from node_harness import CAMERA, PATIENCE, Harness, wait_for
from ros_helpers import RELIABLE, listener, ros_domain, wait_until  # noqa: F401
from sampt_ros.msg import TrackedObject, TrackedObjects
from std_msgs.msg import Header

from sampt_ros.ros.conversions import time_from_ns

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def start_example(tmp_path, ros_domain) -> Iterator[Callable[..., Callable[[], str]]]:  # noqa: F811
    """Starts an example in the test's ROS domain; what it returns reads what the example has printed so far."""
    running: list[subprocess.Popen[bytes]] = []

    def start(name: str, *arguments: str) -> Callable[[], str]:
        log = tmp_path / f"{name}.log"
        with log.open("w") as output:
            command = [sys.executable, "-u", EXAMPLES / f"{name}.py", *arguments]
            running.append(subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ}))
        return log.read_text

    yield start
    for process in running:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def test_mask_consumer_counts_the_pixels_of_the_nodes_mask(start_example, ros_domain):  # noqa: F811
    node = Harness().start()
    try:
        printed = start_example("mask_consumer")
        wait_for(lambda: node.publisher("/sampt/mask").get_subscription_count() == 2, printed)
        node.track()
        node.start_object((20, 20))
        seconds, nanoseconds = divmod(node.track().stamp, 10**9)
        line = f"{SIDE**2} object pixels in the image of {seconds}.{nanoseconds:09} s"
        assert wait_until(lambda: line in printed()), printed()
    finally:
        node.close()


def test_position_consumer_tells_where_objects_are(start_example, listener):  # noqa: F811
    there = Pose(position=Point(x=0.125, y=-0.25, z=0.75))
    message = TrackedObjects(
        header=Header(stamp=time_from_ns(10**9), frame_id=CAMERA),
        objects=[TrackedObject(id=2, state=TrackedObject.TRACKING, pose=there)],
    )
    publisher = listener.node.create_publisher(TrackedObjects, "/sampt/points", RELIABLE)
    printed = start_example("position_consumer")
    wait_for(lambda: publisher.get_subscription_count() > 0, printed)

    def is_told() -> bool:
        publisher.publish(message)
        return wait_until(lambda: "object 2: 0.125 -0.250 0.750 m" in printed(), 0.5)

    assert wait_until(is_told), printed()


def test_grasp_asks_for_the_object_in_a_box_waits_for_its_position_and_lets_it_go(start_example, ros_domain):  # noqa: F811
    node = Harness().start()
    try:
        node.track()
        printed = start_example("grasp", "10", "10", "20", "20")
        node.wait_for_count("queries_accepted", 1)
        assert list(node.track().objects) == [1]
        pose = Pose(position=Point(x=0.125, y=-0.25, z=0.75))
        shown = TrackedObjects(objects=[TrackedObject(id=1, state=TrackedObject.TRACKING, pose=pose)])
        publisher = node._listener.node.create_publisher(TrackedObjects, "/sampt/points", RELIABLE)

        def is_told() -> bool:
            publisher.publish(shown)
            return wait_until(lambda: "grasp at 0.125 -0.250 0.750 m" in printed(), 0.5)

        assert wait_until(is_told, PATIENCE), printed()
        node.wait_for_count("queries_accepted", 2)
        assert list(node.track().objects) == []
        assert "started object 1" in printed()
    finally:
        node.close()
