"""Random queries to the node, sensible or not, as people and programs send them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Point, PointStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot import CAMERA, FOCAL, THING, WORLD, Robot, Stamp
from sampt_ros.msg import QueryPoint, QueryPoints, Reference
from sampt_ros.srv import Query
from sensor_msgs.msg import RegionOfInterest
from std_msgs.msg import Header

from sampt_ros.geometry.camera import transform_point
from sampt_ros.ros.conversions import image_from_array

BURST = 200  # queries
PICTURES = 50  # latched references
PATIENCE = 180.0  # seconds that the node may take to answer all queries of a burst, or for a transition
_ANSWERS = ("started object", "corrected object", "the query is refused")


class People:
    """Sends queries about the robot's images, in which the positions of all things are known."""

    def __init__(self, robot: Robot, seed: int) -> None:
        self.robot = robot
        self.random = random.Random(seed)
        self.service = robot.create_client(Query, "/sampt/query")

    @property
    def actions(self) -> dict[Callable[[], None], float]:
        """All kinds of queries, and their relative frequencies."""
        return {
            self.click: 8,
            self.correct: 5,
            self.remove: 5,
            self.box: 2,
            self.mask: 2,
            self.call: 3,
            self.click_in_space: 2,
            self.refer: 1,
            self.nonsense: 4,
            self.burst: 0.5,
        }

    # Queries on the topic

    def message(
        self, points: Sequence[tuple[float, float, int]] = (), stamp: Stamp | None = None, **fields: Any
    ) -> QueryPoints:
        """A query on the newest image, or on the image with a stamp; points: (x, y, label), pixels."""
        clicks = [QueryPoint(x=float(x), y=float(y), label=label) for x, y, label in points]
        header = Header(frame_id=fields.pop("frame_id", CAMERA))
        newest = divmod(self.robot.stamp_ns, 1_000_000_000)
        header.stamp.sec, header.stamp.nanosec = newest if stamp is None else stamp
        return QueryPoints(header=header, points=clicks, **fields)

    def ask(self, points: Sequence[tuple[float, float, int]] = (), stamp: Stamp | None = None, **fields: Any) -> None:
        self.robot.query.publish(self.message(points, stamp, **fields))

    def place(self) -> tuple[float, float]:
        """A random pixel (x, y) on one of the things on the table."""
        labels = self.robot.truth[self.robot.frame]
        thing = self.random.choice([name for name in np.unique(labels) if name])
        y, x = np.argwhere(labels == thing)[self.random.randrange(int((labels == thing).sum()))]
        return x * self.robot.scale, y * self.robot.scale

    def some_box(self) -> RegionOfInterest:
        """The box of one of the things; an empty one if the thing is not in the image."""
        ys, xs = np.nonzero(self.robot.truth[self.robot.frame] == self.random.choice([1, 2, 3]))
        if not len(xs):
            return RegionOfInterest()
        left, top = (int(self.robot.scale * edge) for edge in (xs.min(), ys.min()))
        width, height = (int(self.robot.scale * np.ptp(edge)) + 1 for edge in (xs, ys))
        return RegionOfInterest(x_offset=left, y_offset=top, width=width, height=height)

    def click(self) -> None:
        self.ask([(*self.place(), QueryPoint.POSITIVE)], None if self.random.random() < 0.8 else (0, 0))

    def box(self) -> None:
        self.ask(box=self.some_box())

    def mask(self) -> None:
        seed = (self.robot.truth[self.robot.frame] == self.random.choice([1, 2, 3])).astype(np.uint8) * 255
        if self.robot.scale != 1:
            size = [round(self.robot.scale * length) for length in seed.shape[::-1]]
            seed = cv2.resize(seed, size, interpolation=cv2.INTER_NEAREST)
        self.ask(mask=image_from_array(seed, "mono8", Header()))

    def correct(self) -> None:
        if self.robot.ids:
            label = self.random.choice([QueryPoint.POSITIVE, QueryPoint.NEGATIVE])
            self.ask([(*self.place(), label)], object_id=self.random.choice(self.robot.ids))

    def remove(self) -> None:
        if self.robot.ids:
            self.ask(action=QueryPoints.REMOVE, object_id=self.random.choice(self.robot.ids))

    def nonsense(self) -> None:
        nan, point = float("nan"), (20.0, 20.0, QueryPoint.POSITIVE)
        self.random.choice(
            [
                lambda: self.ask(),
                lambda: self.ask([(1e6, -5.0, 1)]),
                lambda: self.ask([(nan, nan, 1)]),
                lambda: self.ask([(5.0, 5.0, 7)]),
                lambda: self.ask([point], frame_id="another_camera"),
                lambda: self.ask([point], action=9),
                lambda: self.ask([point], object_id=60000),
                lambda: self.ask(action=QueryPoints.REMOVE, object_id=60000),
                lambda: self.ask(mask=image_from_array(np.ones((3, 5), np.uint8), "mono8", Header())),
                lambda: self.ask([point], (-1, 0)),
                lambda: self.ask([point], (1, 3_000_000_000)),
                lambda: self.ask([point], (self.robot.stamp_ns // 1_000_000_000 + 3600, 0)),
            ]
        )()

    # Many at once

    def burst(self) -> None:
        """Send many queries at once, as a detector does. Each of them must be answered or refused."""
        self.finish()
        since = len(self.robot.log)
        for _ in range(BURST):
            kind = self.random.random()
            if kind < 0.7 or not self.robot.ids:
                self.ask([(*self.place(), QueryPoint.POSITIVE)], (0, 0))
            elif kind < 0.9:
                self.ask(box=self.some_box(), stamp=(0, 0))
            else:
                self.correct()
        self.expect_answers(since, BURST, lambda line: line.startswith(_ANSWERS))

    def finish(self) -> None:
        """Wait until all earlier queries are answered, and the log messages about them have arrived."""
        self.robot.play(1.0)
        query = self.message(action=QueryPoints.REMOVE, object_id=60000)
        self.expect_response(self.service.call_async(Query.Request(query=query)), query)
        self.robot.play(1.0)

    def expect_answers(self, since: int, count: int, is_answer: Callable[[str], bool]) -> None:
        """Wait for `count` answers in the node's log after line `since`; note it as wrong if they do not come."""

        def answers() -> int:
            return sum(map(is_answer, self.robot.log[since:]))

        if not self.robot.play(PATIENCE, lambda: answers() >= count):
            self.robot.found.wrong.append(f"{answers()} answers to {count} queries")

    # Queries by the service

    def call(self) -> None:
        """Call the service, which must answer with the object, or with the reason for the refusal."""
        kind = self.random.random()
        if kind < 0.5:
            query = self.message([(*self.place(), QueryPoint.POSITIVE)], (0, 0))
        elif kind < 0.7:
            chosen = self.random.randrange(1, 40)
            query = self.message(box=self.some_box(), action=QueryPoints.REPLACE, object_id=chosen, stamp=(0, 0))
        else:
            query = self.message(action=QueryPoints.REMOVE, object_id=self.random.choice([*self.robot.ids, 60000]))
        self.expect_response(self.service.call_async(Query.Request(query=query)), query)

    def expect_response(self, future: Any, query: QueryPoints) -> None:
        """Wait for the service's answer to a query, and check it."""
        if not self.robot.play(PATIENCE, future.done):
            self.robot.found.wrong.append("a call of ~/query had no answer")
            return
        response = future.result()
        has_object = response.object_id > 0 and response.state > 0
        if not response.message or (response.success and has_object == (query.action == QueryPoints.REMOVE)):
            self.robot.found.wrong.append(f"a strange answer of ~/query: {response}")
        self.robot.found.counts["calls carried out" if response.success else "calls refused"] += 1

    # Clicks in 3D

    def click_in_space(self) -> None:
        """Click a thing in 3D, in a frame that the camera moves in; the click must start the thing that was clicked."""
        robot = self.robot
        if robot.transforms is None or robot.loop is not None:
            return
        self.finish()
        robot.labels = None
        if not robot.play(5.0, lambda: robot.labels is not None) or robot.labels is None:
            return
        stamp, labels = robot.labels
        if robot.is_changing or stamp not in robot.sent or labels.shape != robot.truth.shape[1:]:
            return
        truth = robot.truth[robot.sent[stamp].frame]
        free = (truth > 0) & (labels == 0)
        inner = cv2.erode(free.astype(np.uint8), np.ones((15, 15), np.uint8))
        if not inner.any():
            return
        y, x = self.random.choice(np.argwhere(inner).tolist())
        height, width = truth.shape
        seen = THING * np.array([(x - (width - 1) / 2) / FOCAL, (y - (height - 1) / 2) / FOCAL, 1.0])
        turn, move = robot.pose(stamp)
        x_world, y_world, z_world = transform_point(seen, move.tolist(), turn.tolist()).tolist()
        click = PointStamped(point=Point(x=x_world, y=y_world, z=z_world), header=Header(frame_id=WORLD))
        click.header.stamp.sec, click.header.stamp.nanosec = stamp
        since = len(robot.log)
        robot.clicked_point.publish(click)
        self._follow_click(since, int(truth[y, x]))

    def _follow_click(self, since: int, thing: int) -> None:
        """Wait for the answer to a 3D click, and check whether the object that it starts lies on the clicked thing."""
        robot = self.robot

        def answers() -> list[str]:
            known = ("started object", "corrected object", "the click is refused")
            return [line for line in robot.log[since:] if line.startswith(known)]

        if not robot.play(PATIENCE, lambda: bool(answers())):
            robot.found.wrong.append("a click in space had no answer")
            return
        answer = answers()[0]
        if "expected a transform" in answer and not robot.is_changing:
            robot.found.wrong.append(f"in a moving frame: {answer}")
        if "started" not in answer or "TRACKING" not in answer:
            robot.found.counts["clicks in space that started nothing"] += 1
            return
        name = int(answer.split()[2].rstrip(":"))
        asked_at = time.monotonic()

        def is_there() -> bool:
            if robot.labels is None:
                return False
            sent = robot.sent.get(robot.labels[0])
            return sent is not None and sent.at >= asked_at - 1 and bool((robot.labels[1] == name).any())

        if robot.play(5.0, is_there) and robot.labels is not None:
            stamp, labels = robot.labels
            if robot.thing_under(labels == name, robot.truth[robot.sent[stamp].frame])[0] == thing:
                robot.found.counts["clicks in space on their thing"] += 1
            else:
                robot.found.counts["clicks in space on something else"] += 1

    # References

    def refer(self) -> None:
        """Publish a picture of a thing to search for; sometimes the thing is missing in it, or the object has no id."""
        self.robot.reference.publish(self.picture(self.random.choice([0, *range(1, 30)]), [1, 2, 3, 9]))

    def picture(self, object_id: int, things: Sequence[int]) -> Reference:
        """A reference: one of the video's frames at half its size, with the mask of one of these things."""
        frame = self.random.randrange(len(self.robot.images))
        thing = (self.robot.truth[frame] == self.random.choice(things)).astype(np.uint8)[::2, ::2] * 255
        return Reference(
            object_id=object_id,
            image=image_from_array(np.ascontiguousarray(self.robot.images[frame][::2, ::2]), "rgb8", Header()),
            mask=image_from_array(np.ascontiguousarray(thing), "mono8", Header()),
        )

    def latch_pictures(self, activate: Callable[[], None]) -> None:
        """Publish many latched references before the node listens: all must arrive. The objects are removed then.

        activate: activates the inactive node
        """
        robot = self.robot
        latched = QoSProfile(depth=PICTURES, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        publisher = robot.create_publisher(Reference, "/sampt/reference", latched)
        for name in range(1, PICTURES + 1):
            publisher.publish(self.picture(name, [1, 2, 3]))
        since = len(robot.log)
        activate()
        self.expect_answers(since, PICTURES, lambda line: "searched for" in line or "the reference is refused" in line)
        robot.destroy_publisher(publisher)
        for name in range(1, PICTURES + 1):
            self.ask(action=QueryPoints.REMOVE, object_id=name)
