"""Our data as ROS's own messages, and back. With node.py and video_publisher.py, the only modules that know ROS.

What is in the messages is decided in image_messages.py and messages.py, which bags share.
"""

from __future__ import annotations

from array import array as byte_array
from collections.abc import Mapping
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from sensor_msgs.msg import Image, RegionOfInterest
from std_msgs.msg import Header

from sampt_ros import messages
from sampt_ros.config import Option
from sampt_ros.image_messages import image_fields, mask_from_image, rgb_from_compressed, rgb_from_image
from sampt_ros.messages import MessageClasses, intrinsics_from_camera_info, request_from_message, stamp_ns
from sampt_ros.structures import FrameResult

__all__ = [
    "Header",
    "bytes_for_message",
    "diagnostic_status",
    "image_from_array",
    "intrinsics_from_camera_info",
    "mask_from_image",
    "parameter_descriptor",
    "request_from_message",
    "rgb_from_compressed",
    "rgb_from_image",
    "stamp_ns",
    "time_from_ns",
    "tracked_objects",
]


def image_from_array(array: np.ndarray, encoding: str, header: Header) -> Image:
    """An Image of mono8 (H, W) uint8, mono16 (H, W) uint16 or rgb8 (H, W, 3) uint8, little-endian, without padding.

    `header` goes into the message as it is. Raises FrameError if the array and the encoding do not agree.
    """
    fields = image_fields(array, encoding)
    return Image(header=header, **{**fields, "data": bytes_for_message(fields["data"])})


def bytes_for_message(data: np.ndarray) -> byte_array:
    """A C-contiguous array as what a uint8[] field takes at once: anything else is checked byte by byte."""
    buffer = byte_array("B")
    buffer.frombytes(data.reshape(-1).view(np.uint8).data)
    return buffer


def time_from_ns(ns: int) -> Time:
    """The Time of so many nanoseconds."""
    sec, nanosec = divmod(int(ns), 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def tracked_objects(result: FrameResult, header: Header) -> Any:
    """The sampt_ros/TrackedObjects message of one frame; `header` is the input image's."""
    from sampt_ros import msg  # not at the top: images convert without our own messages

    classes = MessageClasses(msg.TrackedObjects, msg.TrackedObject, msg.TrackedPoint, RegionOfInterest)
    return messages.tracked_objects(result, header, classes)


def diagnostic_status(name: str, level: bytes, message: str, values: Mapping[str, Any]) -> DiagnosticStatus:
    """A DiagnosticStatus; level is DiagnosticStatus.OK, WARN, ERROR or STALE, values become text."""
    pairs = [KeyValue(key=str(key), value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=name, level=level, message=message, values=pairs)


def parameter_descriptor(option: Option, value: Any) -> ParameterDescriptor:
    """How ROS tools show an option: description, unit, bounds, choices; read-only where it is fixed at start."""
    descriptor = ParameterDescriptor(description=option.description, read_only=option.fixed)
    if option.unit:
        descriptor.description += f" ({option.unit})"
    if option.choices or option.minimum is not None or option.maximum is not None:
        descriptor.additional_constraints = option.range()
    if not option.choices and option.minimum is not None and option.maximum is not None:
        if type(value) is int:
            bounds = IntegerRange(from_value=int(option.minimum), to_value=int(option.maximum), step=1)
            descriptor.integer_range = [bounds]
        elif type(value) is float:
            bounds = FloatingPointRange(from_value=float(option.minimum), to_value=float(option.maximum))
            descriptor.floating_point_range = [bounds]
    return descriptor
