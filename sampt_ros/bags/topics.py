"""Which topics of a bag are read: by name, or by type where there is only one of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rosbags.serde import SerdeError

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader, Topic
from sampt_ros.bags.types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    POINT,
    POINT_STAMPED,
    QUERY_POINTS,
    REFERENCE,
)
from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.errors import SourceError
from sampt_ros.messages.compressed_depth import TRANSPORT, is_compressed_depth
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.messages.topics import mouse_topics

_log = logging.getLogger(__name__)

NODE = "/sampt"  # the node's default name, below which its topics are

# What is written, and its type: the node's topics.
WRITTEN = {f"{NODE}/{name}": output.type for name, output in OUTPUTS.items()}

# Where the node hears 3D clicks, and what they mean.
_CLICKS = {"/clicked_point": POSITIVE, "/sampt/clicked_background": NEGATIVE}
_REFERENCE = "/sampt/reference"


# What depth is encoded as where it is not compressed.
_DEPTH = ("16UC1", "32FC1")
_EITHER = "mono16"


@dataclass(frozen=True)
class Look:
    """What the first message of a topic of images or CameraInfo says.

    encoding         of a raw image; a compressed one's format; empty for CameraInfo
    is_called_depth  whether the topic's name says that it is depth
    """

    encoding: str
    frame_id: str
    is_called_depth: bool = False

    @property
    def is_depth(self) -> bool:
        """Whether it is depth, raw or compressed; mono16, which infrared cameras have too, by the topic's name."""
        is_raw = self.encoding in _DEPTH or (self.encoding == _EITHER and self.is_called_depth)
        return is_raw or is_compressed_depth(self.encoding)


@dataclass(frozen=True)
class Inputs:
    """The topics that are read.

    image        of type IMAGE or COMPRESSED_IMAGE
    depth        of type IMAGE or COMPRESSED_IMAGE, registered to the images; None: there is none
    queries      of type QUERY_POINTS; None: there is none
    reference    of type REFERENCE; None: there is none
    mouse        clicks in rqt_image_view, in the images or in an overlay
    camera_info  the camera of the images, for 3D clicks and depth; None: there is none, or it is not known which
    clicks       3D clicks: POSITIVE or NEGATIVE by topic
    """

    image: Topic
    depth: Topic | None = None
    queries: Topic | None = None
    camera_info: Topic | None = None
    reference: Topic | None = None
    mouse: tuple[Topic, ...] = ()
    clicks: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """All of them."""
        return _names(self.image, self.depth, self.camera_info) | self.asking

    @property
    def asking(self) -> set[str]:
        """Those that may say what to track."""
        return _names(self.queries, self.reference, *self.mouse) | self.clicks.keys()


def look_at(bag: BagReader) -> dict[str, Look]:
    """What the topics of images and CameraInfo of a bag show, by name."""
    found = {}
    for topic in bag.topics.values():
        if topic.type in (IMAGE, COMPRESSED_IMAGE, CAMERA_INFO) and (look := _first(bag, topic)):
            found[topic.name] = look
    return found


def choose_inputs(
    topics: Mapping[str, Topic],
    looks: Mapping[str, Look] | None = None,
    image: str = "",
    depth: str = "",
    queries: str = "",
    camera_info: str = "",
) -> Inputs:
    """The topics to read, of all that a bag has; a name that is empty leaves the choice to the types.

    looks: what the images show, which tells depth from colour. Depth that is not named is read where it is in the frame
    of the images, as any other is not registered to them, and where their CameraInfo is known.

    Raises SourceError where a topic is missing, of another type, or one of several, and lists what there is.
    """
    looks = looks or {}
    chosen = _chosen(topics, image, "--image", _colours(topics, looks), IMAGE, COMPRESSED_IMAGE)
    chosen = chosen or _grey_of_16_bits(topics, looks)
    if chosen is None:
        raise SourceError(
            f"expected images that show colours or grey, {IMAGE} or {COMPRESSED_IMAGE}, or --image TOPIC of 16UC1, "
            f"which is depth else; {_listed(topics)}"
        )
    camera = _camera_info(topics, looks, camera_info, chosen.name)
    mouse = mouse_topics(chosen.name.removesuffix("/compressed"), NODE)
    return Inputs(
        chosen,
        _depth(topics, looks, depth, chosen.name, camera),
        _chosen(topics, queries, "--queries", topics, QUERY_POINTS),
        camera,
        _of_type(topics, _REFERENCE, REFERENCE),
        tuple(topic for name in mouse if (topic := _of_type(topics, name, POINT))),
        {name: label for name, label in _CLICKS.items() if _of_type(topics, name, POINT_STAMPED)},
    )


def _names(*topics: Topic | None) -> set[str]:
    return {topic.name for topic in topics if topic is not None}


def _of_type(topics: Mapping[str, Topic], name: str, kind: str) -> Topic | None:
    return topics[name] if name in topics and topics[name].type == kind else None


def _first(bag: BagReader, topic: Topic) -> Look | None:
    for _, _, data in bag.messages({topic.name}):
        try:
            message: Any = bag_types.types().deserialize_cdr(data, topic.type)
        except SerdeError:
            continue
        encodings = {IMAGE: "encoding", COMPRESSED_IMAGE: "format"}
        encoding = getattr(message, encodings.get(topic.type, ""), "")
        own_name = "/".join(topic.name.lower().split("/")[-2:])  # without a namespace such as /depth_camera
        return Look(encoding, message.header.frame_id, "depth" in own_name)
    return None


def _colours(topics: Mapping[str, Topic], looks: Mapping[str, Look]) -> dict[str, Topic]:
    """The topics less those that show depth."""
    depths = {name for name, look in looks.items() if look.is_depth}
    return {name: topic for name, topic in topics.items() if name not in depths}


def _grey_of_16_bits(topics: Mapping[str, Topic], looks: Mapping[str, Look]) -> Topic | None:
    """The only topic of images, if it is 16UC1 and not called depth: a thermal or infrared camera's."""
    found = [name for name in looks if topics[name].type in (IMAGE, COMPRESSED_IMAGE) and name not in WRITTEN]
    if len(found) != 1 or looks[found[0]].encoding != _DEPTH[0] or "depth" in found[0]:
        return None
    _log.warning("%s is %s and the only topic of images: it is taken for grey, not for depth", found[0], _DEPTH[0])
    return topics[found[0]]


def _depth(
    topics: Mapping[str, Topic], looks: Mapping[str, Look], name: str, image: str, camera: Topic | None
) -> Topic | None:
    """The topic of that name, else the only one of depth in the frame of the images; why one is not read is told."""
    if name:
        if name == image:
            raise SourceError(f"--depth: expected another topic than that of the images; got {name}")
        if camera is None:
            raise SourceError(f"--depth: expected the images' CameraInfo, or --camera-info TOPIC; {_listed(topics)}")
        return _named(topics, name, "--depth", IMAGE, COMPRESSED_IMAGE)
    frame = looks[image].frame_id if image in looks else ""
    depths = _once({other: look for other, look in looks.items() if look.is_depth and other != image})
    found = [other for other, look in depths.items() if frame and look.frame_id == frame]
    if len(found) == 1 and camera is not None:
        return topics[found[0]]
    if len(found) > 1:
        reason = f"expected one topic of depth in frame {frame!r}, or --depth TOPIC; got {', '.join(found)}"
    elif found:
        reason = f"{found[0]} has depth, but the images' CameraInfo is not known; --camera-info TOPIC names it"
    elif depths:
        framed = ", ".join(f"{other} in frame {look.frame_id!r}" for other, look in depths.items())
        reason = (
            f"depth is not known to be registered to the images in frame {frame!r}: {framed}; --depth TOPIC reads it"
        )
    if depths:
        _log.warning("no 3D: %s", reason)
    return None


def _once(depths: Mapping[str, Look]) -> dict[str, Look]:
    """These topics of depth, without those that are the compressed form of another one."""
    forms = {f"{name}/{TRANSPORT}" for name in depths}
    return {name: look for name, look in depths.items() if name not in forms}


def _chosen(
    topics: Mapping[str, Topic], name: str, option: str, candidates: Mapping[str, Topic], *types: str
) -> Topic | None:
    """The topic of that name, else the only candidate of these types; None: there is none."""
    if name:
        return _named(topics, name, option, *types)
    found = [topic for topic in candidates.values() if topic.type in types and topic.name not in WRITTEN]
    if len(found) > 1:
        raise SourceError(f"expected one topic of type {' or '.join(types)}, or {option} TOPIC; {_listed(topics)}")
    return found[0] if found else None


def _named(topics: Mapping[str, Topic], name: str, option: str, *types: str) -> Topic:
    topic = topics.get(name)
    if topic is None or topic.type not in types:
        what = f"no {name}" if topic is None else f"{name} of type {topic.type}"
        raise SourceError(f"{option}: expected a topic of type {' or '.join(types)}; got {what}; {_listed(topics)}")
    return topic


def _camera_info(topics: Mapping[str, Topic], looks: Mapping[str, Look], name: str, image: str) -> Topic | None:
    """The CameraInfo by name, else the one beside the image topic, else the only one, unless of another frame."""
    if name:
        return _named(topics, name, "--camera-info", CAMERA_INFO)
    folder = image.removesuffix("/compressed").rpartition("/")[0]
    if beside := _of_type(topics, f"{folder}/camera_info", CAMERA_INFO):
        return beside
    found = [topic for topic in topics.values() if topic.type == CAMERA_INFO]
    frames = {looks[name].frame_id for name in (image, *(topic.name for topic in found)) if name in looks}
    return found[0] if len(found) == 1 and len(frames) <= 1 else None


def _listed(topics: Mapping[str, Topic]) -> str:
    return f"the bag has {', '.join(str(topics[name]) for name in sorted(topics)) or 'no topics'}"
