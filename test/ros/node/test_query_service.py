"""Many queries at once, queries with an answer, and references that are latched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

from fakes import SIDE, blank
from node_harness import CAMERA, FRAME_NS, HEIGHT, PATIENCE, START_NS, WIDTH, Harness, call, wait_for
from rclpy.qos import DurabilityPolicy, QoSProfile
from sampt_ros.msg import QueryPoint, QueryPoints, Reference
from sampt_ros.srv import Query
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from sampt_ros.ros.conversions import image_from_array, time_from_ns

TRACKING, LOST = 1, 3


@pytest.fixture
def start_node(ros_domain) -> Iterator[Callable[..., Harness]]:
    """Makes an active Harness."""
    made: list[Harness] = []

    def start(**parameters: Any) -> Harness:
        made.append(Harness(**parameters))
        return made[-1].start()

    yield start
    for harness in made:
        harness.close()


@pytest.fixture
def sampt(start_node) -> Harness:
    """One that has tracked a frame."""
    harness = start_node()
    harness.track()
    return harness


def points(*places: tuple[float, float], action: int = QueryPoints.ADD, id: int = 0, stamp: int = 0) -> QueryPoints:
    """A query of positive points."""
    return QueryPoints(
        header=Header(stamp=time_from_ns(stamp), frame_id=CAMERA),
        action=action,
        object_id=id,
        points=[QueryPoint(x=float(x), y=float(y), label=1) for x, y in places],
    )


def ask(harness: Harness, query: QueryPoints) -> Query.Response:
    return call(harness._listener.node, Query, "/sampt/query", Query.Request(query=query))


def reference(name: int) -> Reference:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[10:30, 10:30] = 255
    picture = blank(HEIGHT, WIDTH) + np.uint8(name)
    return Reference(
        object_id=name,
        image=image_from_array(picture, "rgb8", Header()),
        mask=image_from_array(mask, "mono8", Header()),
    )


# Many at once


def test_of_a_burst_of_queries_each_is_answered(start_node):
    sampt = start_node(max_objects=150)
    sampt.track()
    publisher = sampt._listener.node.create_publisher(QueryPoints, "/sampt/query_points", QoSProfile(depth=200))
    wait_for(lambda: publisher.get_subscription_count() > 0, "nobody hears the queries")
    for index in range(200):
        box = RegionOfInterest(x_offset=index % 40, y_offset=10, width=10, height=10)
        publisher.publish(QueryPoints(header=Header(frame_id=CAMERA), box=box))
    sampt.wait_for_count("queries_refused", 50)
    assert sampt.node.statistics["queries_accepted"] == 150
    assert len(sampt.track().objects) == 150


def test_fifty_references_that_were_latched_before_the_node_was_there_all_arrive(ros_domain):
    sampt = Harness(max_objects=60)
    try:
        latched = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = sampt._listener.node.create_publisher(Reference, "/sampt/reference", latched)
        for name in range(1, 51):
            publisher.publish(reference(name))
        sampt.start()
        sampt.wait_for_count("queries_accepted", 50)
        assert len(sampt.track().objects) == 50
    finally:
        sampt.close()


# The service


def test_of_a_burst_of_calls_each_is_answered(start_node):
    sampt = start_node(max_objects=50)
    sampt.track()
    ask(sampt, points((20, 20)))  # Both know each other now.
    client = sampt._listener.node.create_client(Query, "/sampt/query")
    assert client.wait_for_service(PATIENCE)
    # Its executor takes no call before all have come, as that of a busy robot may.
    answers = sampt.in_node(lambda: burst(client, 30))
    wait_for(lambda: all(answer.done() for answer in answers), "calls without an answer")
    assert all(answer.result().success for answer in answers)


def burst(client: Any, count: int) -> list[Any]:
    answers = [client.call_async(Query.Request(query=points((20, 20)))) for _ in range(count)]
    time.sleep(0.3)
    return answers


def test_a_query_is_answered_with_the_object_when_it_is_carried_out(sampt):
    answer = ask(sampt, points((20, 20)))
    assert (answer.success, answer.object_id, answer.state) == (True, 1, TRACKING)
    assert answer.message == f"started object 1: TRACKING, {SIDE**2} px, score 1.00"
    assert answer.area == SIDE**2
    assert (answer.box.width, answer.box.height) == (SIDE, SIDE)
    assert list(sampt.track().objects) == [1]


def test_a_refused_query_says_why(sampt):
    answer = ask(sampt, points((20, 20), id=7))
    assert (answer.success, answer.object_id, answer.state, answer.area) == (False, 0, 0, 0)
    assert "expected object_id 0 for a new object, or a tracked one (none); got 7" in answer.message
    assert sampt.wait_for_count("queries_refused", 1) == answer.message


def test_a_program_chooses_the_id_of_an_object_and_removes_it(sampt):
    assert ask(sampt, points((20, 20), id=40, action=QueryPoints.REPLACE)).object_id == 40
    removed = ask(sampt, points(id=40, action=QueryPoints.REMOVE))
    assert (removed.success, removed.object_id, removed.message) == (True, 0, "object 40 removed")
    assert list(sampt.track().objects) == []


def test_while_a_query_waits_images_and_services_go_on(sampt):
    sampt.segmenter.gate.clear()
    sampt.segmenter.entered.clear()

    answers: list[Query.Response] = []
    asking = threading.Thread(target=lambda: answers.append(ask(sampt, points((20, 20)))))
    asking.start()
    assert sampt.segmenter.entered.wait(10)
    received = sampt.node.statistics["frames_received"]
    sampt.send()
    wait_for(lambda: sampt.node.statistics["frames_received"] > received, "the image does not come in")
    assert sampt.set_parameter("max_objects", 5).successful
    assert answers == []
    sampt.segmenter.gate.set()
    asking.join(20)
    assert answers[0].success


def test_a_node_that_is_not_active_says_so(sampt):
    assert sampt.change_state("deactivate")
    answer = ask(sampt, points((20, 20)))
    assert not answer.success
    assert answer.message == "expected an active node; it stopped before this was done"


# Latched references


def test_a_latched_reference_does_not_restart_its_object_when_the_node_is_reactivated(sampt):
    sampt.latch("/sampt/reference", reference(7))
    sampt.wait_for_count("queries_accepted", 1)
    started = ask(sampt, points((20, 20), id=7))
    assert started.success
    assert sampt.change_state("deactivate")
    assert sampt.change_state("activate")
    sampt._publishers.clear()
    assert sampt.track().objects[7].state == TRACKING


@pytest.mark.parametrize("action", [QueryPoints.REMOVE, QueryPoints.REPLACE])
def test_a_latched_reference_does_not_undo_what_was_done_by_hand_when_the_node_is_reactivated(sampt, action):
    latched = reference(7)
    latched.header.stamp.sec = 5
    sampt.latch("/sampt/reference", latched)
    wait_for(lambda: "searched for" in sampt.diagnostics().get("reference of 5.000000000", ""), "it is not heard")
    prompts = {} if action == QueryPoints.REMOVE else {"points": points((20, 20)).points}
    assert ask(sampt, QueryPoints(action=action, object_id=7, **prompts)).success
    assert sampt.change_state("deactivate")
    assert sampt.change_state("activate")
    wait_for(lambda: "not searched for again" in sampt.diagnostics()["reference of 5.000000000"], "it is not heard")
    states = {name: item.state for name, item in sampt.track().objects.items()}
    assert states == ({} if action == QueryPoints.REMOVE else {7: TRACKING})


def test_references_for_new_objects_get_ids_that_were_never_used(sampt):
    for edge in (10, 30):
        image = blank()
        image[10:20, edge : edge + 10] = 200
        mask = (image[..., 0] > 0).astype(np.uint8) * 255
        picture, seed = image_from_array(image, "rgb8", Header()), image_from_array(mask, "mono8", Header())
        sampt.latch("/sampt/reference", Reference(image=picture, mask=seed))
    sampt.wait_for_count("queries_accepted", 2)
    assert set(sampt.track().objects) == {1, 2}


def test_a_reference_is_looked_for_again_after_a_reset_and_after_a_jump(sampt):
    sampt.latch("/sampt/reference", reference(7))
    sampt.wait_for_count("queries_accepted", 1)
    sampt.in_node(lambda: sampt.node._on_reset(None, type("Response", (), {})()))
    wait_for(lambda: sampt.track().objects.keys() == {7}, "not searched for after the reset")
    sampt.track(stamp=START_NS + 5_000_000_000)
    for dropped in range(1, 5):
        sampt.send(stamp=START_NS + dropped)
        sampt.wait_for_count("frames_rejected", dropped)
    sampt.track(stamp=START_NS + 5)
    assert sampt.track(stamp=START_NS + FRAME_NS).objects[7].state == LOST


def test_a_reference_that_was_removed_is_not_looked_for_again(sampt):
    sampt.latch("/sampt/reference", reference(7))
    sampt.wait_for_count("queries_accepted", 1)
    assert ask(sampt, points(id=7, action=QueryPoints.REMOVE)).success
    sampt.in_node(lambda: sampt.node._on_reset(None, type("Response", (), {})()))
    assert list(sampt.track().objects) == []


def test_a_node_that_was_never_active_says_so(ros_domain):
    sampt = Harness()
    try:
        answer = ask(sampt, points((20, 20)))
        assert (answer.success, answer.message) == (False, "expected an active node; it stopped before this was done")
    finally:
        sampt.close()


def test_an_activation_that_fails_is_told_and_the_next_one_works(start_node, monkeypatch):
    sampt = Harness()
    try:
        assert sampt.change_state("configure")
        monkeypatch.setattr(sampt.node, "_subscribe", lambda stream: 1 / 0)
        assert not sampt.change_state("activate")
        assert "cannot activate: ZeroDivisionError" in sampt.diagnostics()["message"]
        monkeypatch.undo()
        assert sampt.change_state("activate")
        assert sum(thread.name == "sampt_worker" for thread in threading.enumerate()) == 1
    finally:
        sampt.close()
