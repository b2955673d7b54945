"""Transforms as of tf2_ros, without interpolation or chains, for machines without it."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest
from geometry_msgs.msg import TransformStamped
from rclpy.qos import QoSProfile

from sampt_ros.messages.fields import stamp_ns


class TransformException(Exception):  # noqa: N818
    """What tf2_ros calls so."""


class Buffer:
    """Knows the transforms that came in, each for its own frames and time."""

    def __init__(self, node: Any) -> None:
        self.node = node
        self._known: dict[tuple[str, str, int], TransformStamped] = {}

    def set_transform(self, transform: TransformStamped) -> None:
        parent, child = transform.header.frame_id, transform.child_frame_id
        self._known[parent, child, stamp_ns(transform.header)] = transform

    def lookup_transform(self, target: str, source: str, time: Any, timeout: Any) -> TransformStamped:
        try:
            return self._known[target, source, time.nanoseconds]
        except KeyError:
            raise TransformException(f"no transform from {source} to {target}") from None

    def clear(self) -> None:
        self._known.clear()


class TransformListener:
    """Fills a buffer from /tf."""

    def __init__(self, buffer: Buffer, node: Any) -> None:
        node.create_subscription(
            TransformStamped, "/tf", lambda transform: buffer.set_transform(transform), QoSProfile(depth=100)
        )


class TransformBroadcaster:
    """Publishes on /tf."""

    def __init__(self, node: Any) -> None:
        self._publisher = node.create_publisher(TransformStamped, "/tf", QoSProfile(depth=100))

    def sendTransform(self, transforms: Any) -> None:  # noqa: N802
        for transform in transforms if isinstance(transforms, list) else [transforms]:
            self._publisher.publish(transform)


def use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import tf2_ros` find this."""
    module = ModuleType("tf2_ros")
    for kind in (TransformException, Buffer, TransformListener, TransformBroadcaster):
        setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "tf2_ros", module)


def use_where_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `import tf2_ros` find this where ROS's own is not installed."""
    if importlib.util.find_spec("tf2_ros") is None:
        use(monkeypatch)
