"""Tracks objects through a ROS 2 bag: processes each recorded message as the node would process it live."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from rosbags.serde import SerdeError

from sampt_ros.bags import types
from sampt_ros.bags.outlook import ImageStamps, with_outlook
from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.topics import Inputs
from sampt_ros.bags.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_STAMPED
from sampt_ros.config.node import NodeConfig
from sampt_ros.errors import SourceError, StampError
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.messages import fields
from sampt_ros.messages.compressed_depth import depth_from_compressed
from sampt_ros.messages.images import depth_from_image, rgb_from_compressed, rgb_from_image
from sampt_ros.messages.topics import is_called_rectified
from sampt_ros.streaming.failures import CAMERA, DEPTH, FRAMES, QUERIES
from sampt_ros.streaming.requests import ObjectStart
from sampt_ros.streaming.statistics import ACCEPTED
from sampt_ros.streaming.stream import Stream
from sampt_ros.streaming.tracked_frame import ImageEvent, TrackedFrame
from sampt_ros.tracking.sam_pt import SamPt

# What rosbags raises for a damaged message, besides its own SerdeError.
_DAMAGE = (struct.error, ArithmeticError, AssertionError, LookupError, MemoryError, ValueError)

_CONVERSIONS = {IMAGE: rgb_from_image, COMPRESSED_IMAGE: rgb_from_compressed}


class BagTracker:
    """Tracks objects through a bag's images without skipping any; a query applies to the image recorded before it.

    A query with the stamp of an image that was recorded after the query waits for that image. Messages that cannot be
    used are logged and counted, and tracking goes on.

    too_late  number of queries, clicks and references after the last image that could be used, at the end of the bag
    """

    def __init__(
        self,
        sam_pt: SamPt,
        inputs: Inputs,
        starts: Mapping[int, ObjectStart],
        options: NodeConfig | None = None,
    ) -> None:
        """starts: by object id, the prompts that each starts from; options: those of the node, as far as they apply."""
        self._inputs = inputs
        self._grey = GreyRange()
        is_compressed = inputs.depth is not None and inputs.depth.type == COMPRESSED_IMAGE
        self._load_depth = depth_from_compressed if is_compressed else depth_from_image
        self._images = 0  # Number of images so far, including damaged ones.
        self._following_ns: tuple[int, ...] = ()  # Stamps of some images after these.
        self._stamps = ImageStamps(())
        # Stamps of queries and how to carry them out, by the number of the image that they wait for.
        self._waiting: dict[int, list[tuple[int, Callable[[], object]]]] = {}
        self._in_time = 0  # Number of queries accepted before the newest image.
        self.too_late = 0
        options = options or NodeConfig()
        self._stream = Stream.of_recording(
            sam_pt,
            starts,
            options,
            expects_depth=inputs.depth is not None,
            no_transforms="transforms are not read from a bag",
            camera_hint="(--camera-info TOPIC)",
        )
        self._callbacks: dict[str, tuple[str, Callable[[Any, int], None]]] = {
            name: (POINT_STAMPED, partial(self._on_click, label)) for name, label in inputs.clicks.items()
        }
        for topic, callback in (
            (inputs.queries, self._on_query),
            (inputs.reference, self._on_reference),
            *((topic, self._on_mouse) for topic in inputs.mouse),
            (inputs.camera_info, self._on_camera_info),
            (inputs.depth, self._on_depth),
        ):
            if topic is not None:
                self._callbacks[topic.name] = topic.type, callback

    @property
    def dropped(self) -> int:
        """Number of images that are damaged, out of order or of another size, or whose computation failed."""
        return self._stream.statistics[FRAMES]

    @property
    def refused(self) -> int:
        """Number of other messages that could not be used: queries, clicks, depth, CameraInfo."""
        return sum(self._stream.statistics[kind] for kind in (QUERIES, DEPTH, CAMERA))

    @property
    def drop_reason(self) -> str:
        """Why the last dropped image was dropped."""
        return self._stream.statistics.reason(FRAMES)

    def track(self, bag: BagReader) -> Iterator[TrackedFrame | None]:
        """Yield the images of the bag in order with their results, and None for each image that cannot be used.

        An image whose computation failed has no objects. Raises QueryError if an object cannot be started on the first
        image.
        """
        image = self._inputs.image.name
        self._stamps = ImageStamps(bag.messages({image}, image), bag.last_ns)
        for (topic, recorded_ns, data), following_ns in with_outlook(bag.messages(self._inputs.names, image), image):
            if topic != image:
                self._dispatch(topic, recorded_ns, data)
            elif self._track_image(recorded_ns, data, following_ns) is None:
                yield None
            yield from self._stream.ready_frames()
        self._stream.refuse_unstarted()
        for waiting in self._waiting.values():
            self._do_without_image(waiting)
        self.too_late = self._stream.statistics[ACCEPTED] - self._in_time
        if self.too_late:
            self._stream.failures.log.warning(
                f"{self.too_late} queries, clicks or references come after the last image that can be used: "
                "they change no output"
            )
        yield from self.remaining_frames()

    def remaining_frames(self) -> Iterator[TrackedFrame]:
        """Take the tracked images that still wait for their depth, if the bag was not read to its end."""
        return self._stream.remaining_frames()

    def _track_image(self, recorded_ns: int, data: bytes, following_ns: tuple[int, ...]) -> TrackedFrame | None:
        kind, event, frame = self._inputs.image.type, None, None
        number, self._images = self._images, self._images + 1
        self._following_ns = following_ns
        waiting = self._waiting.pop(number, [])
        with self._stream.failures.frame(f"the image recorded at {recorded_ns / 1e9:.3f} s is rejected"):
            message = _read(data, kind)
            load = partial(_CONVERSIONS[kind], message, self._grey)
            stamp_ns = fields.stamp_ns(message.header)
            event = ImageEvent(
                stamp_ns, message.header, load, recorded_ns=recorded_ns, number=number, following_ns=following_ns
            )
        if event is not None:
            frame = self._stream.image(event, [do for _, do in waiting])
        if frame is not None and not frame.failed:
            self._in_time = self._stream.statistics[ACCEPTED]
            return frame
        self._do_without_image(waiting)
        return frame

    def _dispatch(self, topic: str, recorded_ns: int, data: bytes) -> None:
        kind, callback = self._callbacks[topic]
        message = None
        failures = self._stream.failures
        guard = {CAMERA_INFO: failures.camera, IMAGE: failures.depth, COMPRESSED_IMAGE: failures.depth}
        with guard.get(kind, failures.query)(f"a message on {topic} is refused"):
            message = _read(data, kind)
        if message is not None:
            callback(message, recorded_ns)

    def _on_query(self, message: Any, recorded_ns: int) -> None:
        load = partial(fields.request_from_message, message)
        do = partial(self._stream.query, load, message.header.frame_id)
        self._do_at_its_image(message.header, do, names_image=True)

    def _on_reference(self, message: Any, recorded_ns: int) -> None:
        self._stream.reference(partial(fields.reference_from_message, message))

    def _on_mouse(self, message: Any, recorded_ns: int) -> None:
        self._stream.click_in_view(message.x, message.y)

    def _on_click(self, label: int, message: Any, recorded_ns: int) -> None:
        xyz = np.array([message.point.x, message.point.y, message.point.z])
        stamp = partial(fields.stamp_ns, message.header)
        click = partial(self._stream.click_in_space, label, xyz, message.header.frame_id, stamp)
        self._do_at_its_image(message.header, click, names_image=False)

    def _on_camera_info(self, message: Any, recorded_ns: int) -> None:
        self._stream.camera(partial(fields.intrinsics_from_camera_info, message))
        image, needs_camera = self._inputs.image.name, self._inputs.depth is not None or self._inputs.clicks
        if needs_camera and is_called_rectified(image) and self._stream.differs_rectified:
            self._stream.failures.log.repeated(
                f"{image} is rectified by its name, and its CameraInfo is read as that of raw images: "
                "3D is wrong then; --rectified reads it as that of rectified ones"
            )

    def _on_depth(self, message: Any, recorded_ns: int) -> None:
        with self._stream.failures.depth("a depth image is dropped"):
            depth = self._load_depth(message)  # now, so that a damaged message is reported as such
            self._stream.depth(fields.stamp_ns(message.header) or recorded_ns, lambda: depth)

    def _do_at_its_image(self, header: Any, do: Callable[[], object], names_image: bool) -> None:
        """Carry out a query now, or on the image of its stamp, if that is still to come.

        names_image: whether its stamp is meant to be an image's; that of a click in RViz is when it was made
        """
        try:
            stamp_ns = fields.stamp_ns(header)
        except StampError:  # `do` refuses it
            stamp_ns = 0
        newest_ns = self._stream.session.newest_stamp_ns
        is_ahead = stamp_ns > (-1 if newest_ns is None else newest_ns)
        if not stamp_ns or not is_ahead or (self._following_ns and min(self._following_ns) > stamp_ns):
            do()
            return
        newest = self._images - 1
        number = self._stamps.named_by(stamp_ns, newest)
        if number is not None and number > newest:
            self._waiting.setdefault(number, []).append((stamp_ns, do))
            return
        if number is None and names_image:
            self._warn_of_older_image(stamp_ns, "which the bag does not have")
        do()

    def _do_without_image(self, waiting: Iterable[tuple[int, Callable[[], object]]]) -> None:
        for stamp_ns, do in waiting:
            self._warn_of_older_image(stamp_ns, "which cannot be used")
            do()

    def _warn_of_older_image(self, stamp_ns: int, why: str) -> None:
        newest_ns = self._stream.session.newest_stamp_ns
        if newest_ns is not None and newest_ns != stamp_ns:  # without an image it is refused
            self._stream.failures.log.repeated(
                f"a query or click names the image of {stamp_ns / 1e9:.3f} s, {why}: it is carried out on the newest "
                f"one, of {newest_ns / 1e9:.3f} s"
            )


def _read(data: bytes, kind: str) -> Any:
    """Deserialize a message; raises SourceError if it is damaged."""
    try:
        return types.types().deserialize_cdr(data, kind)
    except (SerdeError, *_DAMAGE) as error:
        raise SourceError(f"expected a {kind}; its bytes are damaged: {error}") from None
