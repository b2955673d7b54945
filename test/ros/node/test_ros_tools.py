"""The node beside ROS's own tools: clicks in any view, compressed outputs, QoS, a simulated clock, pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from node_harness import HEIGHT, IMAGE, WIDTH, Harness, middle, wait_for
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_helpers import BEST_EFFORT
from rosgraph_msgs.msg import Clock
from sampt_ros.srv import Query
from sensor_msgs.msg import CompressedImage, Image, RegionOfInterest
from std_srvs.srv import SetBool

from sampt_ros.messages import outputs
from sampt_ros.ros import diagnostics
from sampt_ros.ros.conversions import image_from_array, time_from_ns


@pytest.fixture
def start_node(ros_domain) -> Iterator[Callable[..., Harness]]:
    """Makes an active Harness that has tracked a frame."""
    made: list[Harness] = []

    def start(**options: Any) -> Harness:
        harness = Harness(**options)
        made.append(harness)
        harness.start()
        harness.track()
        return harness

    yield start
    for harness in made:
        harness.close()


@pytest.fixture
def sampt(start_node) -> Harness:
    return start_node()


# Clicks and queries


@pytest.mark.parametrize("view", [IMAGE, f"{IMAGE}/compressed", "/sampt/overlay", "/sampt/overlay/compressed"])
def test_a_click_in_any_view_of_the_images_starts_an_object(sampt, view):
    sampt.click_in_view(30, 20, view)
    sampt.wait_for_count("queries_accepted", 1)
    assert middle(sampt.track().mask) == pytest.approx((31, 20), abs=0.5)


def ask(sampt: Harness, **fields: Any) -> Query.Response:
    request = Query.Request()
    for name, value in fields.items():
        setattr(request.query, name, value)
    return sampt.call(Query, "query", request)


def test_a_box_that_passes_the_border_is_clipped_and_that_is_said(sampt):
    answer = ask(sampt, box=RegionOfInterest(x_offset=WIDTH - 12, y_offset=10, width=40, height=10))
    assert answer.success
    assert answer.message.endswith("; its box clipped to the 64x48 image")


def test_a_seed_mask_of_another_size_is_scaled_and_that_is_said(sampt):
    seed = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    seed[5:10, 20:25] = 1
    answer = ask(sampt, mask=image_from_array(seed, "mono8", Image().header))
    assert answer.success
    assert answer.message.endswith("; its mask scaled from 32x24 to 64x48")
    assert middle(sampt.track().mask) == pytest.approx((2 * 22 + 1.5, 2 * 7 + 0.5), abs=1)


# Compressed outputs


def test_compressed_outputs_show_the_same_and_are_made_only_while_somebody_subscribes(sampt, monkeypatch):
    made: list[str] = []
    encode = cv2.imencode
    monkeypatch.setattr(outputs.cv2, "imencode", lambda suffix, image: made.append(suffix) or encode(suffix, image))
    sampt.start_object((20, 20))
    sampt.track()
    assert made == []
    masks: list[CompressedImage] = []
    pictures: list[CompressedImage] = []
    heard = sampt.listen(CompressedImage, "/sampt/mask/compressed", masks.append)
    sampt.listen(CompressedImage, "/sampt/overlay/compressed", pictures.append)
    result = sampt.track(np.full((HEIGHT, WIDTH, 3), (200, 40, 90), np.uint8))
    wait_for(lambda: masks and pictures, "nothing compressed")
    assert masks[0].header == pictures[0].header == sampt.masks[result.stamp].header
    assert (masks[0].format, pictures[0].format) == ("mono8; png compressed ", "rgb8; jpeg compressed bgr8")
    mask = cv2.imdecode(np.frombuffer(masks[0].data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(mask, result.mask)
    picture = cv2.imdecode(np.frombuffer(pictures[0].data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(picture[-1, -1], (90, 40, 200), atol=12)
    sampt.stop_listening(heard)
    sampt.track()
    assert sorted(made) == [".jpg", ".jpg", ".png"]


# QoS


def test_durability_can_be_overridden(start_node):
    sampt = start_node(args=["-p", "qos_overrides./sampt/mask.publisher.durability:=transient_local"])
    late: list[Image] = []
    qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    sampt.listen(Image, "/sampt/mask", late.append, qos)
    wait_for(lambda: late, "who listens later does not get the last mask")


def test_diagnostics_can_be_overridden(start_node):
    sampt = start_node(args=["-p", "qos_overrides./diagnostics.publisher.reliability:=best_effort"])
    (profile,) = [
        info.qos_profile
        for info in sampt.node.get_publishers_info_by_topic("/diagnostics")
        if info.node_name == "sampt"
    ]
    assert profile.reliability == ReliabilityPolicy.BEST_EFFORT


# A simulated clock


def test_a_node_that_waits_for_a_clock_says_so_and_tracks(ros_domain, monkeypatch):
    monkeypatch.setattr(diagnostics, "_GRACE_PERIOD", 0.0)
    sampt = Harness(use_sim_time=True)
    try:
        told: list[str] = []
        monkeypatch.setattr(sampt.node._log, "warning", told.append)
        sampt.start()
        sampt.track()
        wait_for(lambda: sampt.reports, "no diagnostics come by themselves")
        values = sampt.diagnostics()
        assert values["level"] == "WARN"
        assert "use_sim_time is set, but no time has come on /clock" in values["message"]
        assert len([text for text in told if "/clock" in text]) == 1
        clock = sampt._listener.node.create_publisher(Clock, "/clock", BEST_EFFORT)
        wait_for(clock.get_subscription_count, "nobody hears /clock")

        def is_well() -> bool:
            clock.publish(Clock(clock=time_from_ns(5_000_000_000)))
            return sampt.diagnostics()["level"] == "OK"

        wait_for(is_well, lambda: sampt.diagnostics()["message"])
    finally:
        sampt.close()


# Pause


def test_a_pause_ends_with_the_activation_it_was_asked_in(sampt):
    assert sampt.call(SetBool, "pause", SetBool.Request(data=True)).success
    assert sampt.diagnostics()["message"] == "paused"
    assert sampt.change_state("deactivate")
    answer = sampt.call(SetBool, "pause", SetBool.Request(data=True))
    assert (answer.success, answer.message) == (False, "the node is not active")
    assert sampt.change_state("activate")
    sampt._publishers.clear()  # the node's subscriptions are others now
    sampt.track()
    assert sampt.diagnostics()["message"] == "waiting for a click"
