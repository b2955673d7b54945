"""The output messages of a tracked frame, defined once for the node and for bags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sampt_ros.geometry.surfaces import cloud
from sampt_ros.io.overlay import draw
from sampt_ros.messages import fields
from sampt_ros.messages.fields import MessageClasses
from sampt_ros.messages.images import image_fields
from sampt_ros.streaming.tracked_frame import TrackedFrame


@dataclass(frozen=True)
class Output:
    """One output message.

    type           its ROS type
    make           makes the message of a frame
    waits          whether it contains depth, so that it is published when the frame has its depth or will not get any
    needs_depth    whether it exists only for frames with depth
    is_compressed  whether it is a compressed form of another output; bags do not store those
    """

    type: str
    make: Callable[[TrackedFrame, MessageClasses], Any]
    waits: bool = False
    needs_depth: bool = False
    is_compressed: bool = False

    def is_made_of(self, frame: TrackedFrame) -> bool:
        """Whether the message exists for a frame."""
        return frame.surfaces is not None or not self.needs_depth


def _mask(frame: TrackedFrame, classes: MessageClasses) -> Any:
    return _image(frame.result.mask, "mono8", frame, classes)


def _labels(frame: TrackedFrame, classes: MessageClasses) -> Any:
    return _image(frame.result.labels, "mono16", frame, classes)


def _overlay(frame: TrackedFrame, classes: MessageClasses) -> Any:
    return _image(draw(frame.image, frame.result), "rgb8", frame, classes)


def _compressed_mask(frame: TrackedFrame, classes: MessageClasses) -> Any:
    return _compressed(frame.result.mask, ".png", "mono8; png compressed ", frame, classes)


def _compressed_overlay(frame: TrackedFrame, classes: MessageClasses) -> Any:
    picture = cv2.cvtColor(draw(frame.image, frame.result), cv2.COLOR_RGB2BGR)
    return _compressed(picture, ".jpg", "rgb8; jpeg compressed bgr8", frame, classes)


def _points(frame: TrackedFrame, classes: MessageClasses) -> Any:
    return fields.tracked_objects(frame.result, frame.header, classes, frame.surfaces)


def _object_poses(frame: TrackedFrame, classes: MessageClasses) -> Any:
    return fields.object_poses(frame.surfaces or {}, frame.header, classes)


def _cloud(frame: TrackedFrame, classes: MessageClasses) -> Any:
    points = cloud(frame.result, frame.surfaces or {}, frame.image)
    return fields.point_cloud(points, frame.header, classes)


def _image(array: np.ndarray, encoding: str, frame: TrackedFrame, classes: MessageClasses) -> Any:
    content = image_fields(array, encoding)
    return classes.Image(header=frame.header, **{**content, "data": classes.data(content["data"])})


def _compressed(array: np.ndarray, suffix: str, form: str, frame: TrackedFrame, classes: MessageClasses) -> Any:
    """form: the format string, by which subscribers of image_transport decode the data."""
    data = cv2.imencode(suffix, array)[1]
    return classes.CompressedImage(header=frame.header, format=form, data=classes.data(data.reshape(-1)))


# By topic name relative to the node's. The overlays come after the masks, which thus do not wait for their drawing.
OUTPUTS = {
    "mask": Output("sensor_msgs/msg/Image", _mask),
    "labels": Output("sensor_msgs/msg/Image", _labels),
    "mask/compressed": Output("sensor_msgs/msg/CompressedImage", _compressed_mask, is_compressed=True),
    "overlay": Output("sensor_msgs/msg/Image", _overlay),
    "overlay/compressed": Output("sensor_msgs/msg/CompressedImage", _compressed_overlay, is_compressed=True),
    "points": Output("sampt_ros/msg/TrackedObjects", _points, waits=True),
    "object_poses": Output("geometry_msgs/msg/PoseArray", _object_poses, waits=True, needs_depth=True),
    "cloud": Output("sensor_msgs/msg/PointCloud2", _cloud, waits=True, needs_depth=True),
}
