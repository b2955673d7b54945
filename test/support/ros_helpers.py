"""Fixtures for tests with live ROS nodes; import them where they are needed."""

from __future__ import annotations

import gc
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2 (rclpy)")

from rclpy.context import Context  # noqa: E402
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.publisher import Publisher  # noqa: E402
from rclpy.qos import QoSProfile, ReliabilityPolicy  # noqa: E402
from rclpy.subscription import Subscription  # noqa: E402

RELIABLE = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture(scope="session")
def ros_domain() -> Iterator[int]:
    """A ROS domain of this test session's own, for this process and those it starts."""
    domain, held = free_domain()
    ours = {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    yield domain
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
    held.close()


def free_domain() -> tuple[int, socket.socket]:
    """A ROS domain that nobody on this machine is in, and a socket: while it is open no other test session takes it."""
    for domain in random.SystemRandom().sample(range(1, 101), 100):
        first_port = 7400 + 250 * domain  # by the RTPS standard, which DDS follows
        held = socket.socket()  # TCP, so that it is not in the way of DDS, which uses UDP
        try:
            held.bind(("127.0.0.1", first_port))
            for participant in range(16):
                with socket.socket(type=socket.SOCK_DGRAM) as probe:
                    probe.bind(("", first_port + 10 + 2 * participant))
        except OSError:
            held.close()
            continue
        return domain, held
    pytest.fail("no ROS domain from 1 to 100 is free on this machine")


class Listener:
    """A node in a context and a thread of its own, so that the code under test has rclpy's to itself."""

    def __init__(self) -> None:
        self.context = Context()
        rclpy.init(context=self.context)
        self.node = Node("listener", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def listen(self, kind: type, topic: str, qos: QoSProfile = RELIABLE) -> list[Any]:
        """The messages on a topic; the list grows as they come."""
        received: list[Any] = []
        self.node.create_subscription(kind, topic, received.append, qos)
        return received

    def close(self) -> None:
        self._executor.shutdown()  # first, so that no callback publishes in a context that has ended
        self._thread.join()
        self.node.destroy_node()  # at once: a later test's nodes must not meet this one
        rclpy.shutdown(context=self.context)

    def _spin(self) -> None:
        with suppress(ExternalShutdownException):
            self._executor.spin()


@pytest.fixture
def listener(ros_domain) -> Iterator[Listener]:
    """A Listener that is closed after the test."""
    gc.collect()  # a lifecycle node offers its services until it is collected: an earlier test's would be asked
    made = Listener()
    yield made
    made.close()


def have_met(publisher: Publisher, subscription: Subscription) -> bool:
    """Whether both sides know of the other, so that the next message arrives: each finds the other in its own time."""
    # rclpy tells it of a subscription since Jazzy
    heard = not hasattr(subscription, "get_publisher_count") or subscription.get_publisher_count() > 0
    return heard and publisher.get_subscription_count() > 0


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> bool:
    """Whether `condition` became true in time, seconds."""
    until = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
