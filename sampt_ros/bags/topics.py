"""Chooses the topics of a bag to read: by name, or by type if there is only one topic of that type."""

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
from sampt_ros.messages.compressed_depth import (
    SUFFIXES,
    is_compressed_depth,
    is_lossy_depth,
    plain_encoding,
    raw_topic,
)
from sampt_ros.messages.outputs import OUTPUTS
from sampt_ros.messages.topics import mouse_topics

_log = logging.getLogger(__name__)

NODE = "/sampt"  # the node's default name, the prefix of its topics

# The topics that are written, with their types.
WRITTEN = {f"{NODE}/{name}": output.type for name, output in OUTPUTS.items()}

# The topics of 3D clicks, with their labels.
_CLICKS = {"/clicked_point": POSITIVE, "/sampt/clicked_background": NEGATIVE}
_REFERENCE = "/sampt/reference"

_DEPTH_ENCODINGS = ("16UC1", "32FC1")  # of uncompressed depth
_DEPTH_OR_GREY = "mono16"  # used for depth and for grey images


@dataclass(frozen=True)
class TopicInfo:
    """Properties of a topic of images or CameraInfo, from its first message.

    encoding         encoding of a raw image, format of a compressed one; empty for CameraInfo
    is_called_depth  whether the topic's name says that it is depth
    """

    encoding: str
    frame_id: str
    is_called_depth: bool = False

    @property
    def raw_encoding(self) -> str:
        """The encoding of an image that is raw, or was stored without loss."""
        return plain_encoding(self.encoding) or self.encoding

    @property
    def is_depth(self) -> bool:
        """Whether it is depth, raw or compressed; mono16, as of infrared cameras too, counts by the topic's name."""
        encoding = self.raw_encoding
        is_raw = encoding in _DEPTH_ENCODINGS or (encoding == _DEPTH_OR_GREY and self.is_called_depth)
        return is_raw or is_compressed_depth(self.encoding) or self.is_lossy_depth

    @property
    def is_lossy_depth(self) -> bool:
        """Whether it was depth before JPEG changed it."""
        return is_lossy_depth(self.encoding)


@dataclass(frozen=True)
class Inputs:
    """The topics to read; None where the bag has no such topic.

    image        images, of type IMAGE or COMPRESSED_IMAGE
    depth        depth registered to the images, of type IMAGE or COMPRESSED_IMAGE
    queries      queries, of type QUERY_POINTS
    reference    reference pictures, of type REFERENCE
    mouse        clicks in rqt_image_view, in the images or in an overlay
    camera_info  camera of the images, for 3D clicks and depth; None also if the choice is ambiguous
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
        """The names of all topics to read."""
        return _names(self.image, self.depth, self.camera_info) | self.query_topics

    @property
    def query_topics(self) -> set[str]:
        """The names of the topics that may say what to track."""
        return _names(self.queries, self.reference, *self.mouse) | self.clicks.keys()


def inspect_topics(bag: BagReader) -> dict[str, TopicInfo]:
    """Properties of the topics of images and CameraInfo of a bag, by name."""
    found = {}
    for topic in bag.topics.values():
        if topic.type in (IMAGE, COMPRESSED_IMAGE, CAMERA_INFO) and (info := _first(bag, topic)):
            found[topic.name] = info
    return found


def choose_inputs(
    topics: Mapping[str, Topic],
    infos: Mapping[str, TopicInfo] | None = None,
    image: str = "",
    depth: str = "",
    queries: str = "",
    camera_info: str = "",
) -> Inputs:
    """Choose the topics to read among all topics of a bag; where a name is empty, the choice is made by type.

    infos: properties of the image topics, which distinguish depth from colour. If no depth topic is named, depth is
    read if it has the frame_id of the images (otherwise it is not registered to them) and their CameraInfo is known.

    Raises SourceError if a topic is missing, has another type, or is one of several; the message lists the topics.
    """
    infos = infos or {}
    chosen = _chosen(topics, image, "--image", _colours(topics, infos), IMAGE, COMPRESSED_IMAGE)
    chosen = chosen or _grey_not_depth(topics, infos)
    if chosen is None:
        raise SourceError(
            f"expected images in colour or grey, {IMAGE} or {COMPRESSED_IMAGE}, or --image TOPIC of 16UC1, "
            f"which otherwise counts as depth; {_listed(topics)}"
        )
    camera = _camera_info(topics, infos, camera_info, chosen.name)
    mouse = mouse_topics(chosen.name.removesuffix("/compressed"), NODE)
    return Inputs(
        chosen,
        _depth(topics, infos, depth, chosen.name, camera),
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


def _first(bag: BagReader, topic: Topic) -> TopicInfo | None:
    for _, _, data in bag.messages({topic.name}):
        try:
            message: Any = bag_types.types().deserialize_cdr(data, topic.type)
        except SerdeError:
            continue
        encodings = {IMAGE: "encoding", COMPRESSED_IMAGE: "format"}
        encoding = getattr(message, encodings.get(topic.type, ""), "")
        own_name = "/".join(raw_topic(topic.name).lower().split("/")[-2:])  # without a namespace such as /depth_camera
        return TopicInfo(encoding, message.header.frame_id, "depth" in own_name)
    return None


def _colours(topics: Mapping[str, Topic], infos: Mapping[str, TopicInfo]) -> dict[str, Topic]:
    """The topics without those of depth."""
    depths = {name for name, info in infos.items() if info.is_depth}
    return {name: topic for name, topic in topics.items() if name not in depths}


def _grey_not_depth(topics: Mapping[str, Topic], infos: Mapping[str, TopicInfo]) -> Topic | None:
    """The only topic of images, in any form, if it shows grey and is not named depth: that of a thermal camera.

    It shows grey as 16UC1, or as JPEG, in which 8 bits are left of any encoding.
    """
    images = [name for name in infos if topics[name].type in (IMAGE, COMPRESSED_IMAGE) and name not in WRITTEN]
    grey_16 = _DEPTH_ENCODINGS[0]
    found = [name for name in images if infos[name].raw_encoding == grey_16 or infos[name].is_lossy_depth]
    if len({raw_topic(name) for name in images}) != 1 or not found or "depth" in found[0]:
        return None
    name = min(found, key=_form)
    encoding = infos[name].raw_encoding.strip()
    _log.warning("%s is %s and the only topic of images: it is taken for grey, not for depth", name, encoding)
    return topics[name]


def _depth(
    topics: Mapping[str, Topic], infos: Mapping[str, TopicInfo], name: str, image: str, camera: Topic | None
) -> Topic | None:
    """The depth topic by name, or else the only one in the frame of the images; logs why depth is not read."""
    if name:
        if name == image:
            raise SourceError(f"--depth: expected another topic than that of the images; got {name}")
        if camera is None:
            raise SourceError(f"--depth: expected the images' CameraInfo, or --camera-info TOPIC; {_listed(topics)}")
        return _named(topics, name, "--depth", IMAGE, COMPRESSED_IMAGE)
    frame = infos[image].frame_id if image in infos else ""
    depths = {other: info for other, info in infos.items() if info.is_depth and other != image}
    lossy = sorted(other for other, info in depths.items() if info.is_lossy_depth)
    depths = _once({other: info for other, info in depths.items() if other not in lossy})
    found = [other for other, info in depths.items() if frame and info.frame_id == frame]
    if len(found) == 1 and camera is not None:
        return topics[found[0]]
    if len(found) > 1:
        reason = f"expected one topic of depth in frame {frame!r}, or --depth TOPIC; got {', '.join(found)}"
    elif found:
        reason = f"{found[0]} has depth, but the images' CameraInfo is not known; --camera-info TOPIC names it"
    elif depths:
        framed = ", ".join(f"{other} in frame {info.frame_id!r}" for other, info in depths.items())
        reason = (
            f"depth is not known to be registered to the images in frame {frame!r}: {framed}; --depth TOPIC reads it"
        )
    elif lossy:
        reason = f"expected depth as PNG, TIFF or compressedDepth; got JPEG, in which it is lost, on {', '.join(lossy)}"
    if depths or lossy:
        _log.warning("no 3D: %s", reason)
    return None


def _once(depths: Mapping[str, TopicInfo]) -> dict[str, TopicInfo]:
    """These depth topics, one of each that is there in several forms: raw rather than compressed."""
    found: dict[str, str] = {}
    for name in sorted(depths, key=_form):
        found.setdefault(raw_topic(name), name)
    return {name: info for name, info in depths.items() if name in found.values()}


def _form(topic: str) -> int:
    """Which form of an image a topic has, by its name: 0 for raw, then those of SUFFIXES."""
    return next((number for number, suffix in enumerate(SUFFIXES, 1) if topic.endswith(suffix)), 0)


def _chosen(
    topics: Mapping[str, Topic], name: str, option: str, candidates: Mapping[str, Topic], *types: str
) -> Topic | None:
    """The topic by name, or else the only candidate of these types; None if there is none."""
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


def _camera_info(topics: Mapping[str, Topic], infos: Mapping[str, TopicInfo], name: str, image: str) -> Topic | None:
    """The CameraInfo topic by name, else the one beside the image topic, else the only one, if its frame matches."""
    if name:
        return _named(topics, name, "--camera-info", CAMERA_INFO)
    folder = image.removesuffix("/compressed").rpartition("/")[0]
    if beside := _of_type(topics, f"{folder}/camera_info", CAMERA_INFO):
        return beside
    found = [topic for topic in topics.values() if topic.type == CAMERA_INFO]
    frames = {infos[name].frame_id for name in (image, *(topic.name for topic in found)) if name in infos}
    return found[0] if len(found) == 1 and len(frames) <= 1 else None


def _listed(topics: Mapping[str, Topic]) -> str:
    return f"the bag has {', '.join(str(topics[name]) for name in sorted(topics)) or 'no topics'}"
