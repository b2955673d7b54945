"""Tracking through a ROS 2 bag: what the node does with a camera's messages, for every one that was recorded."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from rosbags.serde import SerdeError

from sampt_ros import bag_types, messages
from sampt_ros.bag_reader import BagReader
from sampt_ros.bag_topics import LABELS, MASK, OUTPUTS, OVERLAY, POINTS, Inputs
from sampt_ros.bag_types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_STAMPED, QUERY_POINTS
from sampt_ros.bag_writer import BagWriter
from sampt_ros.camera import Pinhole
from sampt_ros.errors import FrameError, OutOfMemoryError, QueryError, SamPtError, SourceError
from sampt_ros.image_messages import image_fields, rgb_from_compressed, rgb_from_image
from sampt_ros.overlay import draw
from sampt_ros.sam_pt import SamPt
from sampt_ros.session import Session
from sampt_ros.structures import FrameResult
from sampt_ros.track import ObjectStart

_log = logging.getLogger(__name__)

_CONVERSIONS = {IMAGE: rgb_from_image, COMPRESSED_IMAGE: rgb_from_compressed}


@dataclass(frozen=True, eq=False)
class TrackedImage:
    """An image (H, W, 3) uint8 RGB, when it was recorded (ns), its std_msgs/Header, and what is in it."""

    recorded_ns: int
    header: Any
    image: np.ndarray
    result: FrameResult


class BagTracker:
    """Follows objects through a bag's images: none is skipped, and queries count from the image after which they came.

    What cannot be used is told and counted, and the rest goes on:

    dropped   images that are damaged, out of order or of another size
    refused   queries and clicks
    """

    def __init__(self, sam_pt: SamPt, inputs: Inputs, starts: Mapping[int, ObjectStart]) -> None:
        """starts: by object id, what is on the first image."""
        self.dropped = 0
        self.refused = 0
        self._inputs = inputs
        self._starts = dict(starts)
        self._session = Session(sam_pt)
        self._frame_id: str | None = None
        self._camera: Pinhole | None = None
        self._queries: dict[str, Callable[[bytes], None]] = {
            name: partial(self._on_click, label) for name, label in inputs.clicks.items()
        }
        if inputs.queries is not None:
            self._queries[inputs.queries.name] = self._on_query
        if inputs.camera_info is not None:
            self._queries[inputs.camera_info.name] = self._on_camera_info

    def track(self, bag: BagReader) -> Iterator[TrackedImage | None]:
        """Every image of the bag with its result, or None for one that is dropped.

        One that memory did not suffice for has no objects. Raises QueryError if an object cannot be started on the
        first image.
        """
        for topic, recorded_ns, data in bag.messages(self._inputs.names):
            if topic == self._inputs.image.name:
                yield self._tracked(recorded_ns, data)
            else:
                self._answered(topic, data)

    def _tracked(self, recorded_ns: int, data: bytes) -> TrackedImage | None:
        kind = self._inputs.image.type
        try:
            message = _read(data, kind)
            image = _CONVERSIONS[kind](message)
            result = self._stepped(messages.stamp_ns(message.header), image)
        except (SerdeError, FrameError) as error:
            self.dropped += 1
            _log.warning("the image recorded at %.3f is dropped: %s", recorded_ns / 1e9, error)
            return None
        self._frame_id = message.header.frame_id
        return TrackedImage(recorded_ns, message.header, image, result)

    def _stepped(self, stamp_ns: int, image: np.ndarray) -> FrameResult:
        try:
            result, news = self._session.step(stamp_ns, image)
        except OutOfMemoryError as error:
            _log.warning("the image stamped %.3f has no masks: %s", stamp_ns / 1e9, error)
            return FrameResult(0, image.shape[:2])
        if news:
            _log.warning("%s", news)
        if self._starts:
            started = [
                self._session.start(partial(start.begin, object_id=name)) for name, start in self._starts.items()
            ]
            result, self._starts = replace(result, objects=tuple(started)), {}
        return result

    def _answered(self, topic: str, data: bytes) -> None:
        try:
            self._queries[topic](data)
        except (SerdeError, SamPtError) as error:
            self.refused += 1
            _log.warning("a message on %s is refused: %s", topic, error)

    def _on_query(self, data: bytes) -> None:
        message = _read(data, QUERY_POINTS)
        if self._frame_id is not None and message.header.frame_id not in ("", self._frame_id):
            raise QueryError(f"expected frame_id {self._frame_id!r}; got {message.header.frame_id!r}")
        _log.info("%s", self._session.answer(messages.request_from_message(message)))

    def _on_camera_info(self, data: bytes) -> None:
        self._camera = messages.intrinsics_from_camera_info(_read(data, CAMERA_INFO))

    def _on_click(self, label: int, data: bytes) -> None:
        message = _read(data, POINT_STAMPED)
        stamp = self._session.stamp_current_at(messages.stamp_ns(message.header))
        if message.header.frame_id not in ("", self._frame_id):
            raise QueryError(
                f"expected a click in the images' frame {self._frame_id!r}, as transforms are not read from a bag; "
                f"got one in {message.header.frame_id!r}"
            )
        if self._camera is None:
            raise QueryError("expected a CameraInfo of these images (--camera-info TOPIC) before a 3D click; got none")
        xyz = np.array([message.point.x, message.point.y, message.point.z])
        xy = self._camera.for_images(self._session.size).project_point(xyz)
        _log.info("%s", self._session.click(xy, label, stamp_ns=stamp))


class BagRecorder:
    """Writes the node's messages to a new bag, with the header and the time of the image that each belongs to.

    Nothing is touched before the first image. Raises SourceError where the bag is there already or cannot be written.

    frames, seconds   images written, and what tracking took for them
    masks             images in which each object has a mask
    """

    def __init__(self, path: Path, storage: str, overlay: bool = False) -> None:
        """storage: mcap or sqlite3; overlay: also write pictures for people."""
        if path.exists():
            raise SourceError(f"expected a bag that is not there yet; {str(path)!r} is")
        self.path = path
        self.frames = 0
        self.seconds = 0.0
        self.masks: Counter[int] = Counter()
        self._storage = storage
        self._overlay = overlay
        self._writer: BagWriter | None = None

    def __enter__(self) -> BagRecorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def add(self, tracked: TrackedImage) -> None:
        """Write the messages of one image."""
        if self._writer is None:
            topics = {name: kind for name, kind in OUTPUTS.items() if self._overlay or name != OVERLAY}
            self._writer = BagWriter(self.path, self._storage, topics)
        result, header = tracked.result, tracked.header
        written = {
            MASK: _image(result.mask, "mono8", header),
            LABELS: _image(result.labels, "mono16", header),
            POINTS: messages.tracked_objects(result, header, bag_types.classes()),
        }
        if self._overlay:
            written[OVERLAY] = _image(draw(tracked.image, result), "rgb8", header)
        self._writer.add(tracked.recorded_ns, written)
        self.frames += 1
        self.seconds += sum(result.stages.values()) / 1000
        self.masks.update({item.id: int(item.area > 0) for item in result.objects})


def _read(data: bytes, kind: str) -> Any:
    """The message; raises SerdeError if it is damaged."""
    return bag_types.types().deserialize_cdr(data, kind)


def _image(array: np.ndarray, encoding: str, header: Any) -> Any:
    return bag_types.types().types[IMAGE](header=header, **image_fields(array, encoding))
