"""What people do to a node, sensible or not, by chance."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from robot import CAMERA, FPS, Robot
from sampt_ros.msg import QueryPoint, QueryPoints, Reference
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sampt_ros.ros.conversions import image_from_array, time_from_ns

_PATIENCE = 90.0  # seconds, for a transition


class People:
    """They see the robot's images, and know where the things are in them."""

    def __init__(self, robot: Robot, seed: int) -> None:
        self.robot = robot
        self.random = random.Random(seed)
        self.pause = robot.create_client(SetBool, "/sampt/pause")
        self.reset = robot.create_client(Trigger, "/sampt/reset")
        self.state = robot.create_client(ChangeState, "/sampt/change_state")
        self.parameters = robot.create_client(SetParameters, "/sampt/set_parameters")

    def act(self) -> None:
        """One of these, by chance."""
        actions: dict[Callable[[], None], float] = {
            self.click: 8,
            self.correct: 5,
            self.remove: 5,
            self.box: 2,
            self.mask: 2,
            self.refer: 1,
            self.nonsense: 4,
            self.damaged_image: 4,
            self.camera_pauses: 1,
            self.camera_restarts: 1,
            self.pause_and_go_on: 1,
            self.reset_all: 1,
            self.set_parameter: 1,
            self.deactivate_and_go_on: 0.5,
        }
        (action,) = self.random.choices(list(actions), list(actions.values()))
        self.robot.found.counts[action.__name__] += 1
        action()

    def ask(self, points: Sequence[tuple[float, float, int]] = (), stamped: bool = True, **fields: Any) -> None:
        stamp = time_from_ns(self.robot.stamp_ns if stamped else 0)
        clicks = [QueryPoint(x=float(x), y=float(y), label=label) for x, y, label in points]
        header = Header(stamp=stamp, frame_id=fields.pop("frame_id", CAMERA))
        self.robot.query.publish(QueryPoints(header=header, points=clicks, **fields))

    def place(self) -> tuple[float, float]:
        """A pixel somewhere on one of the things on the table."""
        labels = self.robot.truth[self.robot.frame]
        thing = self.random.choice([name for name in np.unique(labels) if name])
        y, x = np.argwhere(labels == thing)[self.random.randrange(int((labels == thing).sum()))]
        return x * self.robot.scale, y * self.robot.scale

    def click(self) -> None:
        self.ask([(*self.place(), QueryPoint.POSITIVE)], self.random.random() < 0.8)

    def box(self) -> None:
        ys, xs = np.nonzero(self.robot.truth[self.robot.frame] == self.random.choice([1, 2, 3]))
        if len(xs):
            left, top = (int(self.robot.scale * edge) for edge in (xs.min(), ys.min()))
            width, height = (int(self.robot.scale * np.ptp(edge)) + 1 for edge in (xs, ys))
            self.ask(box=RegionOfInterest(x_offset=left, y_offset=top, width=width, height=height))

    def mask(self) -> None:
        seed = (self.robot.truth[self.robot.frame] == self.random.choice([1, 2, 3])).astype(np.uint8) * 255
        if self.robot.scale != 1:
            size = [round(self.robot.scale * length) for length in seed.shape[::-1]]
            seed = cv2.resize(seed, size, interpolation=cv2.INTER_NEAREST)
        self.ask(mask=image_from_array(seed, "mono8", Header()))

    def refer(self) -> None:
        """A picture of a thing, which it is looked for by; now and then without the thing in it, or without a name."""
        frame = self.random.randrange(len(self.robot.images))
        thing = self.robot.truth[frame] == self.random.choice([1, 2, 3, 9])
        self.robot.reference.publish(
            Reference(
                object_id=self.random.choice([0, *range(1, 30)]),
                image=image_from_array(self.robot.images[frame], "rgb8", Header()),
                mask=image_from_array(thing.astype(np.uint8) * 255, "mono8", Header()),
            )
        )

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
            ]
        )()

    def damaged_image(self) -> None:
        height, width = (int(self.robot.scale * length) for length in self.robot.images[0].shape[:2])
        image = image_from_array(np.zeros((height, width, 3), np.uint8), "rgb8", Header())
        kind = self.random.choice(["data", "encoding", "step", "nothing", "size"])
        if kind == "data":
            image.data = image.data[: len(image.data) // 2]
        elif kind == "encoding":
            image.encoding = "rgb7"
        elif kind == "step":
            image.step = 5
        elif kind == "nothing":
            image = Image(encoding="rgb8")
        else:
            image = image_from_array(np.zeros((height // 3, width // 2, 3), np.uint8), "rgb8", Header())
        self.robot.stamp_ns += int(1e9 / FPS)
        self.robot.publish(image, good=False)

    def camera_pauses(self) -> None:
        self.robot.silent_until = time.monotonic() + self.random.uniform(0.5, 3)

    def camera_restarts(self) -> None:
        """Off for a moment; then perhaps with another size, or with older stamps, as a bag that loops."""
        self.camera_pauses()
        self.robot.frame = 0
        self.robot.scale = self.random.choice([1.0, 1.0, 0.5])
        if self.random.random() < 0.5:
            self.robot.stamp_ns -= int(self.random.uniform(30, 300) * 1e9)
            self.robot.settle(2.0)

    def pause_and_go_on(self) -> None:
        self.pause.call_async(SetBool.Request(data=True))
        self.robot.settle(self.random.uniform(0.2, 2))
        self.pause.call_async(SetBool.Request(data=False))

    def reset_all(self) -> None:
        self.reset.call_async(Trigger.Request())

    def deactivate_and_go_on(self) -> None:
        steps = [Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE]
        if self.random.random() < 0.5:
            steps[1:1] = [Transition.TRANSITION_CLEANUP, Transition.TRANSITION_CONFIGURE]
        for step in steps:
            done = self.state.call_async(ChangeState.Request(transition=Transition(id=step)))
            deadline = time.monotonic() + _PATIENCE
            while not done.done() and time.monotonic() < deadline:
                rclpy.spin_once(self.robot, timeout_sec=0.05)
            if not done.done() or not done.result().success:
                self.robot.found.wrong.append(f"transition {step} failed")

    def set_parameter(self) -> None:
        name, value = self.random.choice(
            [("points.positive", 4), ("points.positive", 8), ("points.positive", -3), ("reinit.horizon", "soon")]
        )
        self.parameters.call_async(SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()]))
