"""Tracking through a ROS 2 bag: what the node does with a camera's messages, for every one that was recorded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from rosbags.serde import SerdeError

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.depth_match import BagDepth
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.recorder import TrackedImage
from sampt_ros.bags.topics import Inputs
from sampt_ros.bags.types import COMPRESSED_IMAGE, IMAGE, POINT_STAMPED
from sampt_ros.config.node import NodeConfig
from sampt_ros.data_types import POSITIVE, FrameResult
from sampt_ros.errors import INFERENCE_ERRORS, FrameError, QueryError, SamPtError
from sampt_ros.messages import fields as messages
from sampt_ros.messages.images import depth_from_image, rgb_from_compressed, rgb_from_image
from sampt_ros.streaming.clicks import mouse_pixel
from sampt_ros.streaming.session import Session
from sampt_ros.streaming.starts import ObjectStart
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.log_once import ToldOnce

_log = logging.getLogger(__name__)

_CONVERSIONS = {IMAGE: rgb_from_image, COMPRESSED_IMAGE: rgb_from_compressed}


class BagTracker:
    """Follows objects through a bag's images: none is skipped, and queries count from the image after which they came.

    What cannot be used is told and counted, and the rest goes on:

    dropped   images that are damaged, out of order or of another size
    refused   all other messages: queries, clicks, depth, CameraInfo
    trouble   why the last image was dropped
    """

    def __init__(
        self,
        sam_pt: SamPt,
        inputs: Inputs,
        starts: Mapping[int, ObjectStart],
        options: NodeConfig | None = None,
    ) -> None:
        """starts: by object id, what is on the first image; options: what of the node's goes for bags too."""
        self.dropped = 0
        self.refused = 0
        self.trouble = ""
        self._inputs = inputs
        self._starts = dict(starts)
        self._options = options or NodeConfig()
        self._told = ToldOnce(_log)
        self._session = Session(sam_pt, self._options.history)
        self._depth = BagDepth(inputs.depth is not None, self._options.depth_slop, self._told.warn)
        self._frame_id: str | None = None
        self._answers: dict[str, tuple[str, Callable[[Any, int], None]]] = {
            name: (POINT_STAMPED, partial(self._on_click, label)) for name, label in inputs.clicks.items()
        }
        for topic, answer in (
            (inputs.queries, self._on_query),
            (inputs.reference, self._on_reference),
            (inputs.mouse, self._on_mouse),
            (inputs.camera_info, self._on_camera_info),
            (inputs.depth, self._on_depth),
        ):
            if topic is not None:
                self._answers[topic.name] = topic.type, answer

    def track(self, bag: BagReader) -> Iterator[TrackedImage | None]:
        """The images of the bag in order with their results, and in between None for each that is dropped.

        One that memory did not suffice for, or whose computation fails, has no objects. Raises QueryError if an object
        cannot be started on the first image.
        """
        for topic, recorded_ns, data in bag.messages(self._inputs.names):
            if topic != self._inputs.image.name:
                self._answered(topic, recorded_ns, data)
            elif (tracked := self._tracked(recorded_ns, data)) is not None:
                self._depth.add(_time_ns(tracked.header, recorded_ns), tracked)
            else:
                yield None
            yield from self._depth.settled()
        yield from self.rest()

    def rest(self) -> Iterator[TrackedImage]:
        """The images that are tracked and wait for their depth, for the case that the bag is not read to its end."""
        return self._depth.rest()

    def _tracked(self, recorded_ns: int, data: bytes) -> TrackedImage | None:
        kind = self._inputs.image.type
        try:
            message = _read(data, kind)
            image = _CONVERSIONS[kind](message)
            result = self._stepped(messages.stamp_ns(message.header), image)
        except (SerdeError, FrameError) as error:
            self.dropped += 1
            self.trouble = str(error)
            self._told.warn(f"the image recorded at {recorded_ns / 1e9:.3f} is dropped: {error}")
            return None
        self._frame_id = message.header.frame_id
        return TrackedImage(recorded_ns, message.header, image, result)

    def _stepped(self, stamp_ns: int, image: np.ndarray) -> FrameResult:
        try:
            result, news = self._session.step(stamp_ns, image)
        except FrameError:
            raise
        except INFERENCE_ERRORS as error:
            kind = "" if isinstance(error, SamPtError) else f"{type(error).__name__}: "
            self._told.warn(f"the image stamped {stamp_ns / 1e9:.3f} has no masks: {kind}{error}")
            return FrameResult(0, image.shape[:2])
        if news:
            _log.warning("%s", news)
        if self._starts:
            started = [
                self._session.start(partial(start.begin, object_id=name)) for name, start in self._starts.items()
            ]
            result, self._starts = replace(result, objects=tuple(started)), {}
        return result

    def _answered(self, topic: str, recorded_ns: int, data: bytes) -> None:
        kind, answer = self._answers[topic]
        try:
            answer(_read(data, kind), recorded_ns)
        except (SerdeError, SamPtError, *INFERENCE_ERRORS) as error:
            self.refused += 1
            self._told.warn(f"a message on {topic} is refused: {error}")

    def _on_query(self, message: Any, recorded_ns: int) -> None:
        if self._frame_id is not None and message.header.frame_id not in ("", self._frame_id):
            raise QueryError(f"expected frame_id {self._frame_id!r}; got {message.header.frame_id!r}")
        _log.info("%s", self._session.answer(messages.request_from_message(message)))

    def _on_reference(self, message: Any, recorded_ns: int) -> None:
        _log.info("%s", self._session.refer(*messages.reference_from_message(message)))

    def _on_mouse(self, message: Any, recorded_ns: int) -> None:
        xy = mouse_pixel(message.x, message.y, self._session.size)
        _log.info("%s", self._session.click(xy, POSITIVE))

    def _on_camera_info(self, message: Any, recorded_ns: int) -> None:
        self._depth.see(messages.intrinsics_from_camera_info(message, self._options.rectified))

    def _on_depth(self, message: Any, recorded_ns: int) -> None:
        self._depth.hear(_time_ns(message.header, recorded_ns), depth_from_image(message))

    def _on_click(self, label: int, message: Any, recorded_ns: int) -> None:
        stamp = self._session.stamp_current_at(messages.stamp_ns(message.header))
        if message.header.frame_id not in ("", self._frame_id):
            raise QueryError(
                f"expected a click in the images' frame {self._frame_id!r}, as transforms are not read from a bag; "
                f"got one in {message.header.frame_id!r}"
            )
        if self._depth.camera is None:
            raise QueryError("expected a CameraInfo of these images (--camera-info TOPIC) before a 3D click; got none")
        xyz, size = np.array([message.point.x, message.point.y, message.point.z]), self._session.size
        xy = self._depth.camera.for_images(size).project_point(xyz)
        self._depth.require_in_sight(xyz, xy, stamp, size)
        _log.info("%s", self._session.click(xy, label, stamp_ns=stamp))


def _time_ns(header: Any, recorded_ns: int) -> int:
    """The header's stamp, or when it was recorded where that is not set."""
    return messages.stamp_ns(header) or recorded_ns


def _read(data: bytes, kind: str) -> Any:
    """The message; raises SerdeError if it is damaged."""
    return bag_types.types().deserialize_cdr(data, kind)
