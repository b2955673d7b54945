"""Message types for rosbags: the standard ones, and those of this package, from their .msg files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from sampt_ros.errors import SourceError
from sampt_ros.messages.fields import MessageClasses

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_STAMPED = "geometry_msgs/msg/PointStamped"
POSE_ARRAY = "geometry_msgs/msg/PoseArray"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
POINT = "geometry_msgs/msg/Point"
REFERENCE = "sampt_ros/msg/Reference"
QUERY_POINTS = "sampt_ros/msg/QueryPoints"
TRACKED_OBJECTS = "sampt_ros/msg/TrackedObjects"


def message_folder() -> Path:
    """The folder of the .msg files: beside the sources, or in the install prefix's share folder; raises SourceError."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "msg", *(up / "share/sampt_ros/msg" for up in package.parents)):
        if (folder / "TrackedObjects.msg").is_file():
            return folder
    raise SourceError(
        f"no TrackedObjects.msg found in a msg folder beside {package}, nor in a share/sampt_ros/msg above it"
    )


@cache
def types() -> Typestore:
    """The message types, with their classes and serialization (CDR); raises SourceError."""
    # The oldest ROS 2 that the node supports; the messages used here have not changed since.
    store = get_typestore(Stores.ROS2_HUMBLE)
    own = {}
    for path in sorted(message_folder().glob("*.msg")):
        own.update(get_types_from_msg(path.read_text(), f"sampt_ros/msg/{path.stem}"))
    store.register(own)
    return store


@cache
def classes() -> MessageClasses:
    """The classes that outputs are made of."""
    known = types().types
    return MessageClasses(
        TrackedObjects=known[TRACKED_OBJECTS],
        TrackedObject=known["sampt_ros/msg/TrackedObject"],
        TrackedPoint=known["sampt_ros/msg/TrackedPoint"],
        RegionOfInterest=known["sensor_msgs/msg/RegionOfInterest"],
        Pose=known["geometry_msgs/msg/Pose"],
        Point=known["geometry_msgs/msg/Point"],
        Quaternion=known["geometry_msgs/msg/Quaternion"],
        PoseArray=known[POSE_ARRAY],
        PointCloud2=known[POINT_CLOUD],
        PointField=known["sensor_msgs/msg/PointField"],
        Image=known[IMAGE],
        CompressedImage=known[COMPRESSED_IMAGE],
        data=lambda array: array,
    )
