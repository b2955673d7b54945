"""Which topics of a bag are read: by name, or by type where there is only one of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sampt_ros.bag_reader import Topic
from sampt_ros.bag_types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT_STAMPED, QUERY_POINTS, TRACKED_OBJECTS
from sampt_ros.errors import SourceError
from sampt_ros.structures import NEGATIVE, POSITIVE

# What is written, and its type: the node's topics under its default name.
MASK, LABELS, POINTS, OVERLAY = "/sampt/mask", "/sampt/labels", "/sampt/points", "/sampt/overlay"
OUTPUTS = {MASK: IMAGE, LABELS: IMAGE, POINTS: TRACKED_OBJECTS, OVERLAY: IMAGE}

# Where the node hears 3D clicks, and what they mean.
_CLICKS = {"/clicked_point": POSITIVE, "/sampt/clicked_background": NEGATIVE}


@dataclass(frozen=True)
class Inputs:
    """The topics that are read.

    image        of type IMAGE or COMPRESSED_IMAGE
    queries      of type QUERY_POINTS; None: there is none
    camera_info  the camera of the images, for 3D clicks; None: there is none, or it is not known which
    clicks       3D clicks: POSITIVE or NEGATIVE by topic
    """

    image: Topic
    queries: Topic | None = None
    camera_info: Topic | None = None
    clicks: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """All of them."""
        chosen = (self.image, self.queries, self.camera_info)
        return {topic.name for topic in chosen if topic is not None} | self.clicks.keys()


def choose_inputs(topics: Mapping[str, Topic], image: str = "", queries: str = "", camera_info: str = "") -> Inputs:
    """The topics to read, of all that a bag has; a name that is empty leaves the choice to the types.

    Raises SourceError where a topic is missing, of another type, or one of several, and lists what there is.
    """
    chosen = _chosen(topics, image, "--image", IMAGE, COMPRESSED_IMAGE)
    if chosen is None:
        raise SourceError(f"expected a topic of type {IMAGE} or {COMPRESSED_IMAGE}; {_listed(topics)}")
    clicks = {name: label for name, label in _CLICKS.items() if name in topics and topics[name].type == POINT_STAMPED}
    asked = _chosen(topics, queries, "--queries", QUERY_POINTS)
    return Inputs(chosen, asked, _camera_info(topics, camera_info, chosen.name), clicks)


def _chosen(topics: Mapping[str, Topic], name: str, option: str, *types: str) -> Topic | None:
    """The topic of that name, else the only one of these types; None: there is none."""
    if name:
        return _named(topics, name, option, *types)
    found = [topic for topic in topics.values() if topic.type in types and topic.name not in OUTPUTS]
    if len(found) > 1:
        raise SourceError(f"expected one topic of type {' or '.join(types)}, or {option} TOPIC; {_listed(topics)}")
    return found[0] if found else None


def _named(topics: Mapping[str, Topic], name: str, option: str, *types: str) -> Topic:
    topic = topics.get(name)
    if topic is None or topic.type not in types:
        what = f"no {name}" if topic is None else f"{name} of type {topic.type}"
        raise SourceError(f"{option}: expected a topic of type {' or '.join(types)}; got {what}; {_listed(topics)}")
    return topic


def _camera_info(topics: Mapping[str, Topic], name: str, image: str) -> Topic | None:
    """The CameraInfo by name, else the one beside the image topic, else the only one."""
    if name:
        return _named(topics, name, "--camera-info", CAMERA_INFO)
    found = [topic for topic in topics.values() if topic.type == CAMERA_INFO]
    folder = image.removesuffix("/compressed").rpartition("/")[0]
    beside = [topic for topic in found if topic.name == f"{folder}/camera_info"]
    return next(iter(beside or (found if len(found) == 1 else [])), None)


def _listed(topics: Mapping[str, Topic]) -> str:
    return f"the bag has {', '.join(str(topics[name]) for name in sorted(topics)) or 'no topics'}"
