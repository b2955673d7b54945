"""Random mishaps of a camera, and random interventions in the node."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from people import PATIENCE, People
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from robot import FPS, Loop, Robot
from sampt_ros.msg import QueryPoint
from sampt_ros.srv import Query
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sampt_ros.ros.conversions import image_from_array


class Mishaps:
    """Makes something go wrong with the robot's camera or with the node; each method is one mishap."""

    def __init__(self, robot: Robot, people: People) -> None:
        self.robot = robot
        self.people = people
        self.random = people.random
        self.odd_sizes = 0
        self.pause = robot.create_client(SetBool, "/sampt/pause")
        self.reset = robot.create_client(Trigger, "/sampt/reset")
        self.state = robot.create_client(ChangeState, "/sampt/change_state")
        self.parameters = robot.create_client(SetParameters, "/sampt/set_parameters")

    @property
    def actions(self) -> dict[Callable[[], None], float]:
        """All mishaps, and their relative frequencies."""
        return {
            self.damaged_image: 3,
            self.image_of_another_size: 1,
            self.wild_stamp: 3,
            self.camera_pauses: 1,
            self.camera_restarts: 1,
            self.time_loops: 0.5,
            self.pause_and_resume: 1,
            self.reset_all: 1,
            self.set_parameter: 1,
            self.deactivate_and_activate: 0.5,
            self.latched_references: 0.1,
        }

    # Images

    def blank(self, shrunk: int = 1) -> Image:
        """A black image of the present size, or smaller."""
        height, width = (int(self.robot.scale * length) // shrunk for length in self.robot.images[0].shape[:2])
        return image_from_array(np.zeros((height, width, 3), np.uint8), "rgb8", Header())

    def damaged_image(self) -> None:
        image = self.blank()
        kind = self.random.choice(["data", "encoding", "step", "nothing"])
        if kind == "data":
            image.data = image.data[: len(image.data) // 2]
        elif kind == "encoding":
            image.encoding = "rgb7"
        elif kind == "step":
            image.step = 5
        else:
            image = Image(encoding="rgb8")
        self.robot.stamp_ns += int(1e9 / FPS)
        self.robot.publish(image, is_usable=False)

    def image_of_another_size(self) -> None:
        """Send a single image of another size, which the node drops; it would follow five in a row."""
        self.robot.stamp_ns += int(1e9 / FPS)
        self.robot.publish(self.blank(shrunk=3), is_odd=True)

    def wild_stamp(self) -> None:
        """Send an image that is an hour ahead, has no stamp, or has an invalid one."""
        seconds = self.robot.stamp_ns // 1_000_000_000
        stamp, is_odd = self.random.choice(
            [((seconds + 3600, 0), True), ((0, 0), True), ((-5, 0), False), ((seconds, 1_500_000_000), False)]
        )
        self.robot.publish(self.blank(), is_usable=False, is_odd=is_odd, stamp=stamp)

    # The camera

    def camera_pauses(self) -> None:
        self.robot.silent_until = time.monotonic() + self.random.uniform(0.5, 3)

    def camera_restarts(self) -> None:
        """Switch the camera off for a moment; then it may have another size, or older stamps."""
        self.camera_pauses()
        self.robot.frame, self.robot.loop = 0, None
        self.robot.scale = self.random.choice([1.0, 1.0, 0.5])
        if self.random.random() < 0.5:
            self.robot.stamp_ns -= int(self.random.uniform(30, 300) * 1e9)
            self.robot.play(2.0, sends=False)
        self.robot.change()

    def time_loops(self) -> None:
        """Repeat the same images with the same stamps, like a recording of a few seconds that is played in a loop."""
        if self.robot.loop is None:
            length, times = self.random.randrange(40, 90), self.random.randrange(2, 5)
            self.robot.loop = Loop(self.robot.stamp_ns, self.robot.frame, length, times)

    # The node

    def pause_and_resume(self) -> None:
        self.pause.call_async(SetBool.Request(data=True))
        self.robot.play(self.random.uniform(0.2, 2), sends=False)
        self.pause.call_async(SetBool.Request(data=False))

    def reset_all(self) -> None:
        """Reset the node, which then follows whatever images it gets first."""
        self.robot.loop = None
        self.robot.change()
        done = self.reset.call_async(Trigger.Request())
        if not self.robot.play(PATIENCE, done.done, sends=False):
            self.robot.found.wrong.append("a call of ~/reset had no answer")
        self.robot.change()

    def deactivate_and_activate(self) -> None:
        """Deactivate and activate the node; queries sent just before must be answered, too."""
        query = self.people.message([(*self.people.place(), QueryPoint.POSITIVE)], (0, 0))
        calls = [self.people.service.call_async(Query.Request(query=query)) for _ in range(3)]
        self.transit(Transition.TRANSITION_DEACTIVATE)
        if self.random.random() < 0.5:
            self.reconfigure()
        self.transit(Transition.TRANSITION_ACTIVATE)
        self.robot.change()
        for call in calls:
            self.people.expect_response(call, query)

    def latched_references(self) -> None:
        """Publish latched references while the node is not active; it must receive all of them later."""
        self.transit(Transition.TRANSITION_DEACTIVATE)
        self.reconfigure()
        self.people.latch_pictures(lambda: self.transit(Transition.TRANSITION_ACTIVATE))
        self.robot.change()

    def reconfigure(self) -> None:
        self.transit(Transition.TRANSITION_CLEANUP)
        self.transit(Transition.TRANSITION_CONFIGURE)
        self.robot.change()

    def transit(self, step: int) -> None:
        self.robot.loop = None
        done = self.state.call_async(ChangeState.Request(transition=Transition(id=step)))
        if not self.robot.play(PATIENCE, done.done) or not done.result().success:
            self.robot.found.wrong.append(f"transition {step} failed")

    def set_parameter(self) -> None:
        name, value = self.random.choice(
            [
                ("points.positive", 4),
                ("points.positive", 8),
                ("points.positive", -3),
                ("reinit.horizon", "soon"),
                ("history", 0.0),
                ("history", 1.0),
                ("history", 2.0),
            ]
        )
        self.parameters.call_async(SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()]))
