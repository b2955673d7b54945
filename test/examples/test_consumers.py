"""The examples that use the node, each in a process of its own as people run it."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from example_process import start_example  # noqa: F401
from fakes import SIDE
from geometry_msgs.msg import Point, Pose
from node_harness import CAMERA, PATIENCE, Harness, wait_for
from ros_helpers import RELIABLE, listener, ros_domain, wait_until  # noqa: F401
from sampt_ros.msg import TrackedObject, TrackedObjects
from std_msgs.msg import Header

from sampt_ros.ros.conversions import time_from_ns


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
