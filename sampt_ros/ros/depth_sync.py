"""Pairs depth messages with the images that are tracked, by message_filters."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from sampt_ros.errors import ConfigError
from sampt_ros.messages.compressed_depth import SUFFIXES, depth_from_compressed
from sampt_ros.messages.fields import stamp_ns
from sampt_ros.messages.images import depth_from_image
from sampt_ros.streaming.continuity import JUMP_NS
from sampt_ros.streaming.depth_queue import DepthQueue

_QUEUE_SIZE = 10  # messages of either kind that wait for their counterpart


@dataclass(frozen=True, eq=False)
class _Stamped:
    """The part of an image message that message_filters needs."""

    header: Any


class DepthSync:
    """Pairs the headers of tracked images with depth messages, and adds the depth to a queue.

    Only headers are paired, not images: so no image is received twice, and skipped frames need no depth.

    topic     depth topic, for log messages
    frame_id  frame_id of the newest depth; empty before the first
    """

    def __init__(self, topic: str, queue: DepthQueue, slop: float, wake: Callable[[], None]) -> None:
        """slop: largest time difference of a pair, seconds; wake: called when frames may have received their depth.

        Depth is raw, or compressed if the topic's name ends in one of SUFFIXES. Raises ConfigError if
        message_filters is not installed.
        """
        self.topic, self.frame_id = topic, ""
        self._load = depth_from_compressed if topic.endswith(SUFFIXES) else depth_from_image
        try:
            self._filters = importlib.import_module("message_filters")
        except ImportError:
            raise ConfigError(
                "message_filters is not installed (ros-$ROS_DISTRO-message-filters): there is no 3D output"
            ) from None
        self._queue, self._slop, self._wake = queue, slop, wake
        self._lock = threading.Lock()
        self._newest_ns = 0  # of images and depth
        self._restart()

    def add_depth(self, message: Any) -> None:
        """Add a received depth message."""
        time_ns, self.frame_id = stamp_ns(message.header), message.header.frame_id
        self._follow_jump(time_ns)
        self._queue.note_depth(time_ns)
        self._depths.signalMessage(message)
        self._wake()

    def expect(self, header: Any) -> None:
        """Announce the header of an image that is about to be tracked."""
        self._follow_jump(stamp_ns(header))
        self._images.signalMessage(_Stamped(header))

    def _follow_jump(self, time_ns: int) -> None:
        """Restart after a jump back in time: message_filters drops messages older than those it holds."""
        with self._lock:
            if time_ns < self._newest_ns - JUMP_NS:
                self._restart()
                self._newest_ns = time_ns
            self._newest_ns = max(self._newest_ns, time_ns)

    def _restart(self) -> None:
        self._images, self._depths = self._filters.SimpleFilter(), self._filters.SimpleFilter()
        pairs = self._filters.ApproximateTimeSynchronizer([self._images, self._depths], _QUEUE_SIZE, self._slop)
        pairs.registerCallback(self._on_pair)

    def _on_pair(self, image: _Stamped, depth: Any) -> None:
        self._queue.add_depth(stamp_ns(image.header), partial(self._load, depth))
