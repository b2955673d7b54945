"""The node and `sampt bag` make the same of the same events: one scene, played to each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")
pytest.importorskip("sampt_ros.msg", reason="needs the built package, for sampt_ros.msg (make setup)")

import bags
import fake_message_filters
from fakes import DriftingTracker, SquareSegmenter, blank
from geometry_msgs.msg import Point
from node_harness import CAMERA, HEIGHT, IMAGE, WIDTH, Harness, raw_image, wait_for
from ros_helpers import ros_domain  # noqa: F401
from std_msgs.msg import Header

from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.topics import choose_inputs, inspect_topics
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.node import NodeConfig
from sampt_ros.ros.conversions import time_from_ns
from sampt_ros.tracking.sam_pt import SamPt

DEPTH = "/camera/depth"
FOCAL = 64.0
BEHIND = (0.0, 0.0, 2.0)  # metres, in the middle of the image


class FailingSegmenter(SquareSegmenter):
    """Raises `error` on the image of this number, counted from 0."""

    fails_at, error = -1, ZeroDivisionError("a fault")

    def encode(self, frame):
        if frame.index == self.fails_at:
            raise self.error
        return super().encode(frame)


class Way(ABC):
    """Something that images, depth and clicks can be played to."""

    def __init__(self) -> None:
        self.segmenter = FailingSegmenter()

    @abstractmethod
    def image(self, index: int) -> None:
        """Image `index`, black, and, after the first one, its camera."""

    @abstractmethod
    def depth(self, index: int, plane: np.ndarray) -> None:
        """Depth (H, W) float32 metres of the time of image `index`."""

    @abstractmethod
    def click(self, index: int, xyz: tuple[float, float, float]) -> None:
        """A 3D click on image `index`, in the camera's frame."""

    @abstractmethod
    def mouse(self, x: float, y: float) -> None:
        """A click in an image view."""

    @abstractmethod
    def outcome(self) -> dict[str, Any]:
        """The `ids` of the objects at the end, `refused` queries with the last `reason`, and `dropped` images."""


class BagWay(Way):
    """Writes a bag and tracks it when the outcome is asked for."""

    def __init__(self, folder, options: NodeConfig) -> None:
        super().__init__()
        self.folder, self.options = folder, options
        self.sent: list[tuple[str, Any]] = [bags.camera_info(0, FOCAL, HEIGHT, WIDTH)]

    def image(self, index):
        self.sent.append(bags.image(index, blank(HEIGHT, WIDTH)))

    def depth(self, index, plane):
        self.sent.append(bags.depth(index, plane))

    def click(self, index, xyz):
        self.sent.append(bags.click(index, xyz))

    def mouse(self, x, y):
        self.sent.append((f"{bags.IMAGES}_mouse_left", bags.make("geometry_msgs/Point", x=x, y=y, z=0.0)))

    def outcome(self):
        self.image(99)
        with BagReader(bags.write(self.folder / "in", self.sent)) as bag:
            sam_pt = SamPt(SamPtConfig(), self.segmenter, DriftingTracker())
            tracker = BagTracker(sam_pt, choose_inputs(bag.topics, inspect_topics(bag)), {}, self.options)
            frames = list(tracker.track(bag))
        statistics = tracker._stream.statistics
        objects = frames[-1].result.objects
        return {
            "ids": [item.id for item in objects],
            "dropped": tracker.dropped,
            "refused": statistics["queries_refused"],
            "reason": statistics.reason("queries_refused"),
        }


class NodeWay(Way):
    """Plays to the node, one thing after the other."""

    def __init__(self, options: NodeConfig) -> None:
        super().__init__()
        self.harness = Harness(
            lambda config: SamPt(config, self.segmenter, DriftingTracker()),
            args=["-r", f"depth:={DEPTH}"],
            use_depth=True,
            depth_timeout=20.0,
            clicks=options.clicks,
        )
        self.harness.start()
        self.stamps: dict[int, int] = {}
        self.statistics = self.harness.node.statistics

    def image(self, index):
        done = self._done()
        self.stamps[index] = self.harness.send(blank(HEIGHT, WIDTH), stamp=stamp_ns_of(index))
        wait_for(lambda: self._done() > done, "the image is not worked on")
        if index == 0:
            self.harness.send_camera_info()

    def depth(self, index, plane):
        height, width = plane.shape
        message = raw_image("32FC1", plane.tobytes(), 4 * width, width, height)
        message.header = Header(stamp=time_from_ns(stamp_ns_of(index)), frame_id=CAMERA)
        self.harness.publish(DEPTH, message)
        wait_for(lambda: stamp_ns_of(index) in self.harness.node._stream.depth_queue._depths, "the depth is not paired")

    def click(self, index, xyz):
        self._ask(lambda: self.harness.click_3d(xyz, CAMERA, stamp=stamp_ns_of(index)))

    def mouse(self, x, y):
        self._ask(lambda: self.harness.publish(f"{IMAGE}_mouse_left", Point(x=x, y=y)))

    def outcome(self):
        stamp = self.harness.send(blank(HEIGHT, WIDTH), stamp=stamp_ns_of(99))
        wait_for(lambda: self.harness.node._stream.session.newest_stamp_ns == stamp, "the last image is not tracked")
        objects = self.harness.node._stream.session.newest.objects
        return {
            "ids": [item.id for item in objects],
            "dropped": self.statistics["frames_rejected"],
            "refused": self.statistics["queries_refused"],
            "reason": self.statistics.reason("queries_refused"),
        }

    def _done(self) -> int:
        return self.statistics["frames_tracked"] + self.statistics["frames_rejected"]

    def _ask(self, ask) -> None:
        def answered() -> int:
            return self.statistics["queries_accepted"] + self.statistics["queries_refused"]

        before = answered()
        ask()
        wait_for(lambda: answered() > before, "the click is not answered")


def stamp_ns_of(index: int) -> int:
    return bags.START + index * bags.PERIOD


def wall(metres: float, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, WIDTH), metres, np.float32)


@pytest.fixture(params=["node", "bag"])
def play(request, monkeypatch, tmp_path, ros_domain) -> Iterator[Any]:  # noqa: F811
    """Makes the way in; its parameters are those of the node."""
    fake_message_filters.use_where_missing(monkeypatch)
    made: list[Way] = []

    def start(**options: Any) -> Way:
        config = replace(NodeConfig(), **options)
        made.append(NodeWay(config) if request.param == "node" else BagWay(tmp_path, config))
        return made[-1]

    yield start
    for way in made:
        if isinstance(way, NodeWay):
            way.harness.close()


def test_a_click_counts_where_its_depth_image_has_another_size(play):
    way = play()
    way.image(0)
    way.depth(0, wall(1.0, HEIGHT // 2))
    way.click(0, BEHIND)
    outcome = way.outcome()
    assert (outcome["ids"], outcome["refused"]) == ([1], 0)


@pytest.mark.parametrize("later", [0, 1, 9])
def test_a_click_is_refused_on_what_the_latest_depth_of_the_last_second_hides(play, later):
    way = play()
    way.image(0)
    way.depth(0, wall(1.0))
    for index in range(1, later + 1):
        way.image(index)
    way.click(later, BEHIND)
    outcome = way.outcome()
    assert (outcome["ids"], outcome["refused"]) == ([], 1)
    assert "it is 2.00 m deep, and something 1.00 m deep hides it" in outcome["reason"]


@pytest.mark.parametrize(("clicks", "ids"), [("new_object", [1, 2]), ("last_object", [1])])
def test_a_click_beside_all_masks_starts_an_object_or_extends_the_last_one(play, clicks, ids):
    way = play(clicks=clicks)
    way.image(0)
    way.mouse(10.0, 24.0)
    way.image(1)
    way.mouse(50.0, 24.0)
    outcome = way.outcome()
    assert outcome["ids"] == ids
    assert outcome["refused"] == 0


@pytest.mark.parametrize("error", [ZeroDivisionError("a fault"), AssertionError("a fault"), NameError("a fault")])
def test_any_error_in_a_frame_costs_that_frame_alone(play, error):
    way = play()
    way.segmenter.error = error
    way.image(0)
    way.mouse(20.0, 20.0)
    way.segmenter.fails_at = 2
    for index in (1, 2, 3):
        way.image(index)
    outcome = way.outcome()
    assert (outcome["ids"], outcome["dropped"]) == ([1], 1)
