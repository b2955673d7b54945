"""The node behind the page: what it shows of a running node, and what it asks of it."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")
pytest.importorskip("aiohttp", reason="aiohttp is missing: pip install aiohttp")

import rclpy
from fakes import blank
from node_harness import CAMERA, IMAGE, Harness, wait_for
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.task import Future
from ros_helpers import have_met, ros_domain  # noqa: F401
from sampt_ros.msg import QueryPoints
from sampt_ros.msg import Reference as ReferenceMessage
from sampt_ros.srv import Query
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from sampt_ros.data_types import ObjectState
from sampt_ros.errors import ConfigError
from sampt_ros.ros.conversions import image_from_array, time_from_ns
from sampt_ros.ros.qos import QUERIES
from sampt_ros.ros.viewing import node as viewing
from sampt_ros.ros.viewing.node import WebNode
from sampt_ros.streaming.failures import Attempt
from sampt_ros.streaming.live.view import View
from sampt_ros.streaming.requests import Action, Reference, Request


class Page:
    """A WebNode in a thread of its own, watched.

    views  what it showed; told: what came of what was asked for
    """

    def __init__(self, **parameters: Any) -> None:
        self.views: list[View] = []
        self.told: list[Attempt] = []
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = WebNode(
            context=self._context,
            parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()],
            cli_args=["--ros-args", "-r", f"image:={IMAGE}"],
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()
        self.node.watch(self.views.append)
        wait_for(lambda: len(self.node._inputs) == 3, "it does not listen")

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def meet(self, sampt: Harness) -> None:
        """Wait until this node and the one that tracks know of each other."""
        for topic in ("/sampt/labels", "/sampt/points"):
            heard = next(item for item in self.node.subscriptions if item.topic_name == topic)
            wait_for(lambda heard=heard, topic=topic: have_met(sampt.publisher(topic), heard), f"{topic} is not heard")
        publisher = self.node._references
        heard = next(item for item in sampt.node.subscriptions if item.topic_name == publisher.topic_name)
        wait_for(lambda: have_met(publisher, heard), "the node does not hear it")
        for client in (self.node._query_client, self.node._reset_client, self.node._pause_client):
            wait_for(client.service_is_ready, "a service is not there")

    def follow(self, sampt: Harness, *ids: int) -> View:
        """Have the camera send images until one is shown with these objects."""
        stamp = sampt.track().stamp

        def shown() -> View | None:
            newer = (view for view in self.views if view.stamp_ns >= stamp)
            return next((view for view in newer if {item.id for item in view.result.objects} == set(ids)), None)

        def send() -> View | None:
            if not shown():
                sampt.track()
            return shown()

        wait_for(send, "nothing is shown")
        view = shown()
        assert view is not None
        return view

    def click(self, x: float, y: float, stamp_ns: int) -> None:
        xy = np.array([(x, y)], np.float32)
        self.node.ask(Request(points=xy, labels=np.array([1], np.uint8), stamp_ns=stamp_ns), self.told.append)


@pytest.fixture
def sampt(ros_domain) -> Iterator[Harness]:  # noqa: F811
    """An active node that has tracked a frame."""
    harness = Harness().start()
    harness.track()
    yield harness
    harness.close()


@pytest.fixture
def page(ros_domain) -> Iterator[Page]:  # noqa: F811
    made = Page()
    yield made
    made.close()


def test_a_click_starts_an_object_on_the_image_that_was_clicked(sampt, page):
    page.meet(sampt)
    view = page.follow(sampt)
    page.click(20, 21, view.stamp_ns)
    sampt.wait_for_count("queries_accepted", 1)
    shown = page.follow(sampt, 1)
    (item,) = shown.result.objects
    assert (item.id, item.state) == (1, ObjectState.TRACKING)
    labels = sampt.result(shown.stamp_ns).labels
    assert np.array_equal(item.mask, labels == 1) and item.area > 0
    assert item.box[0] > 16  # the tracker moves everything to the right, from the clicked image on
    assert len(item.points) > 0
    (told,) = page.told
    assert told.error is None and told.answer.text.startswith("started object 1: TRACKING")
    assert told.answer.object_id == 1  # The page's next negative click applies to it.


def test_what_the_node_refuses_is_told(sampt, page):
    page.meet(sampt)
    wait_for(lambda: page.node.condition().values, "no diagnostics")
    page.node.ask(Request(Action.REMOVE, 9), page.told.append)
    wait_for(lambda: page.told, "nothing is told")
    assert "9" in page.told[0].reason


def test_boxes_references_pauses_and_resets_reach_the_node(sampt, page):
    page.meet(sampt)
    view = page.follow(sampt)
    page.node.ask(Request(box=(10.2, 12.0, 30.0, 28.9), stamp_ns=view.stamp_ns), page.told.append)
    sampt.wait_for_count("queries_accepted", 1)
    image = blank()
    image[10:20, 10:20] = 200
    page.node.refer(Reference(image, image[..., 0] > 0, 7), page.told.append)
    sampt.wait_for_count("queries_accepted", 2)
    page.follow(sampt, 1, 7)
    page.node.pause(True, page.told.append)
    wait_for(lambda: page.node.condition().paused, "it is not paused")
    page.node.pause(False, page.told.append)
    wait_for(lambda: not page.node.condition().paused, "it stays paused")
    page.node.reset(page.told.append)
    page.follow(sampt, 7)  # a reset drops all, and looks for references again
    page.node.ask(Request(Action.REMOVE, 7), page.told.append)
    page.follow(sampt)
    wait_for(lambda: len(page.told) == 6, "not all is told")
    assert [told.answer.text.partition(":")[0] for told in page.told] == [
        "started object 1",
        "object 7",
        "paused",
        "running",
        "reset",
        "object 7 removed",
    ]


def test_an_object_is_there_as_soon_as_it_is_told_though_no_image_came_since(sampt, page):
    page.meet(sampt)
    view = page.follow(sampt)
    page.click(20, 21, view.stamp_ns)
    wait_for(lambda: page.told, "nothing is told")
    assert (page.views[-1].stamp_ns, page.views[-1].others) == (view.stamp_ns, {1})


def test_ids_that_another_program_let_begin_anew_are_noticed_and_the_pages_own_reset_is_not_taken_for_that(sampt, page):
    def since() -> str:
        return page.node.condition().values.get("object ids since", "")

    wait_for(lambda: page.node.condition().id_changes == 1, "no diagnostics")
    for reset, changes in ((lambda: sampt.call(Trigger, "reset"), 2), (lambda: page.node.reset(page.told.append), 2)):
        before = since()
        page.meet(sampt)
        reset()
        wait_for(lambda before=before: since() != before, "the reset is not in the diagnostics")
        assert page.node.condition().id_changes == changes


def test_each_viewer_is_told_what_came_of_its_own_queries(sampt, page):
    page.meet(sampt)
    page.follow(sampt)
    mine: list[Attempt] = []
    yours: list[Attempt] = []
    click = Request(points=np.array([(20, 21)], np.float32), labels=np.array([1], np.uint8))
    page.node.ask(Request(Action.REMOVE, 8), mine.append)
    page.node.ask(click, yours.append)
    page.node.ask(Request(Action.REMOVE, 9), mine.append)
    sampt.query(id=77, action=QueryPoints.REMOVE)  # another program, which is refused
    wait_for(lambda: len(mine) == 2 and yours, "not all is told")
    sampt.wait_for_count("queries_refused", 3)
    assert [attempt.reason[-2:] for attempt in mine] == [" 8", " 9"]
    assert [attempt.error for attempt in yours] == [None]


def test_references_for_new_objects_are_told_apart_and_so_are_their_answers(ros_domain):  # noqa: F811
    sampt = Harness(max_objects=2).start()
    page = Page()
    try:
        sampt.track()
        page.meet(sampt)
        told: dict[int, list[Attempt]] = {10: [], 20: [], 30: []}
        for edge, attempts in told.items():
            image = blank()
            image[10:20, edge : edge + 10] = 200
            page.node.refer(Reference(image, image[..., 0] > 0, 0), attempts.append)
        sampt.query(id=77, action=QueryPoints.REMOVE)
        wait_for(lambda: all(told.values()), "not all is told")
        assert [attempts[0].answer and attempts[0].answer.text for attempts in told.values()] == [
            "object 1: searched for",
            "object 2: searched for",
            None,
        ]
        assert told[30][0].reason == "expected at most max_objects = 2 objects; got one more"
        assert [len(attempts) for attempts in told.values()] == [1, 1, 1]
        page.follow(sampt, 1, 2)
    finally:
        page.close()
        sampt.close()


@pytest.fixture
def mute(page, monkeypatch) -> Iterator[Node]:
    """A node that hears references and queries, and answers none."""
    monkeypatch.setattr(viewing, "_DIAGNOSTICS_TIMEOUT", 0.5)
    node = Node("mute", context=page._context)
    heard = node.create_subscription(ReferenceMessage, "/sampt/reference", lambda message: None, 10)

    async def never(request: Any, response: Any) -> Any:
        return await Future()

    node.create_service(Query, "/sampt/query", never, qos_profile=copy(QUERIES))
    page._executor.add_node(node)
    wait_for(lambda: have_met(page.node._references, heard), "it does not hear references")
    wait_for(page.node._query_client.service_is_ready, "the service is not there")
    yield node
    page._executor.remove_node(node)
    node.destroy_node()


def picture() -> Reference:
    image = blank()
    image[10:20, 10:20] = 200
    return Reference(image, image[..., 0] > 0, 7)


def test_what_a_tracker_that_is_gone_leaves_unanswered_is_told_and_forgotten(page, mute):
    page.node.refer(picture(), page.told.append)
    page.node.ask(Request(Action.REMOVE, 9), page.told.append)
    wait_for(lambda: len(page.told) == 2, "nothing is told")
    assert {told.reason for told in page.told} == {"expected an answer from /sampt; none came"}
    assert len(page.node._open_references) == len(page.node._open_calls) == 0
    assert page.node._query_client._pending_requests == {}


def test_of_references_that_are_never_answered_only_the_newest_are_waited_for(page, mute, monkeypatch):
    monkeypatch.setattr(viewing, "_DIAGNOSTICS_TIMEOUT", 1e9)
    for number in range(66):
        page.node.refer(picture(), lambda attempt, number=number: page.told.append((number, attempt.reason)))
    assert page.told == [(number, "expected an answer from /sampt; none came") for number in range(2)]
    assert len(page.node._open_references) == 64


def test_a_reference_that_cannot_be_published_is_told_once_and_forgotten(page, mute, monkeypatch):
    def publish(message: Any) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(page.node._references, "publish", publish)
    page.node.refer(picture(), page.told.append)
    assert [told.reason for told in page.told] == ["RuntimeError: no memory"]
    assert len(page.node._open_references) == 0


def test_after_a_reset_the_objects_are_gone_from_the_picture_at_once(sampt, page):
    page.meet(sampt)
    view = page.follow(sampt)
    page.click(20, 21, view.stamp_ns)
    page.follow(sampt, 1)
    page.node.reset(page.told.append)
    wait_for(lambda: not page.views[-1].result.objects, "the object is still shown")  # no image has come since


def test_how_the_node_is_comes_from_its_diagnostics(sampt, page):
    wait_for(lambda: page.node.condition().values, "no diagnostics")
    condition = page.node.condition()
    assert condition.source == IMAGE
    assert condition.values["preset"] == "default"
    assert {"frames_dropped", "rate in (frames/s)", "rate out (frames/s)"} <= condition.values.keys()


def test_without_a_node_images_are_shown_and_clicks_refused(ros_domain):  # noqa: F811
    harness = Harness()  # never active: only its camera is of use
    page = Page()
    try:
        assert page.node.condition().message == "no node /sampt: nothing on /diagnostics"
        heard = next(item for item in page.node.subscriptions if item.topic_name == IMAGE)
        camera = harness._listener.node.create_publisher(Image, IMAGE, 10)
        wait_for(lambda: have_met(camera, heard), "the camera is not heard")
        stamps = itertools.count(10**18, 10**8)

        def shown() -> list[View]:
            header = Header(stamp=time_from_ns(next(stamps)), frame_id=CAMERA)
            camera.publish(image_from_array(blank(), "rgb8", header))
            return page.views

        wait_for(shown, "nothing is shown")
        assert page.views[-1].result.objects == ()
        page.node.ask(Request(Action.REMOVE, 1), page.told.append)
        page.node.reset(page.told.append)
        wait_for(lambda: len(page.told) == 2, "nothing is told")
    finally:
        page.close()
        harness.close()


def test_while_nobody_looks_images_are_not_heard(page):
    page.node.watch(None)
    wait_for(lambda: page.node._inputs == [], "it still listens")


def test_a_bad_parameter_is_an_error(ros_domain):  # noqa: F811
    context = Context()
    rclpy.init(context=context)
    with pytest.raises(ConfigError, match="token: expected at least 8"):
        WebNode(context=context, parameter_overrides=[Parameter("token", value="short")])
    rclpy.shutdown(context=context)


def test_the_program_serves_the_page_and_ends_quietly_when_interrupted(ros_domain, tmp_path):  # noqa: F811
    program = "import sys; from sampt_ros.cli.web_node import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "--ros-args", "-p", "port:=0"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        line = next(line for line in process.stdout if "the page is at" in line)
        address = line.split()[-1]
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"<title>sampt</title>" in answer.read()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(20) == 0, rest
    assert "Traceback" not in rest
