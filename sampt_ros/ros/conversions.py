"""Conversions between this package's data and ROS messages. Their content is defined in sampt_ros.messages."""

from __future__ import annotations

import importlib
import importlib.util
from array import array as byte_array
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion, Transform, TransformStamped, Vector3
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import Header

from sampt_ros.config.options import Option
from sampt_ros.errors import StampError
from sampt_ros.geometry.surfaces import ObjectSurface
from sampt_ros.messages import fields
from sampt_ros.messages.color_backends import BACKENDS, Backend
from sampt_ros.messages.fields import (
    MessageClasses,
    intrinsics_from_camera_info,
    reference_from_message,
    request_from_message,
    stamp_ns,
)
from sampt_ros.messages.images import (
    depth_from_image,
    image_fields,
    mask_from_image,
    rgb_from_compressed,
    rgb_from_image,
)
from sampt_ros.streaming.failures import Attempt

__all__ = [
    "Header",
    "bytes_for_message",
    "depth_from_image",
    "diagnostic_status",
    "image_from_array",
    "intrinsics_from_camera_info",
    "mask_from_image",
    "message_classes",
    "object_transforms",
    "parameter_descriptor",
    "query_response",
    "reference_from_message",
    "request_from_message",
    "rgb_from_compressed",
    "rgb_from_image",
    "stamp_ns",
    "time_from_ns",
]


def cv_bridge_backend() -> Backend | None:
    """A color conversion by ROS 2's cv_bridge, or None where it cannot be used."""
    try:
        bridge = ros_cv_bridge().CvBridge()
    except ImportError:
        return None
    return lambda image: bridge.imgmsg_to_cv2(image, "rgb8")


def ros_cv_bridge() -> Any:
    """Import the cv_bridge module of ROS 2; raises ImportError with the reason if it cannot be used.

    The package of that name on PyPI is that of ROS 1, which gets encodings wrong.
    """
    try:
        prefix = importlib.import_module("ament_index_python.packages").get_package_prefix("cv_bridge")
    except (ImportError, LookupError, OSError):  # OSError: nothing is sourced, so that AMENT_PREFIX_PATH is not set
        spec = importlib.util.find_spec("cv_bridge")
        found = f"the one in {Path(spec.origin).parent} is another" if spec and spec.origin else "it is not there"
        raise ImportError(f"expected cv_bridge of a ROS 2 installation; {found}") from None
    try:
        module = importlib.import_module("cv_bridge")
        # The compiled part, which fails to load with a numpy version that it was not built for.
        importlib.import_module("cv_bridge.boost.cv_bridge_boost")
    except (ImportError, AttributeError, OSError, SystemError) as error:
        raise ImportError(f"cv_bridge does not load: {' '.join(str(error).split())}") from None
    if Path(prefix) not in Path(module.__file__ or "").parents:
        raise ImportError(f"expected cv_bridge of {prefix}; Python finds {module.__file__}")
    return module


def image_from_array(array: np.ndarray, encoding: str, header: Header) -> Image:
    """An Image message of mono8 (H, W) uint8, mono16 (H, W) uint16 or rgb8 (H, W, 3) uint8, little-endian, unpadded.

    `header` goes into the message unchanged. Raises FrameError if the array and the encoding do not agree.
    """
    fields = image_fields(array, encoding)
    return Image(header=header, **{**fields, "data": bytes_for_message(fields["data"])})


def bytes_for_message(data: np.ndarray) -> byte_array[int]:
    """A C-contiguous array as an array.array: a uint8[] field would check any other type byte by byte."""
    buffer = byte_array("B")
    buffer.frombytes(data.reshape(-1).view(np.uint8).data)
    return buffer


def time_from_ns(ns: int) -> Time:
    """A Time message of `ns` nanoseconds; raises StampError if it cannot hold them."""
    sec, nanosec = divmod(int(ns), 1_000_000_000)
    if not -(2**31) <= sec < 2**31:  # Otherwise the message would hold another time.
        raise StampError(f"expected a stamp of less than {2**31} seconds; got {sec}")
    return Time(sec=sec, nanosec=nanosec)


def object_transforms(surfaces: Mapping[int, ObjectSurface], header: Header, prefix: str) -> list[TransformStamped]:
    """The poses of all objects that have one, as transforms from the camera's frame to PREFIX/object_ID."""
    return [
        TransformStamped(header=header, child_frame_id=f"{prefix}/object_{object_id}", transform=_transform(surface))
        for object_id, surface in surfaces.items()
        if surface.has_pose
    ]


def query_response(attempt: Attempt, response: Any) -> Any:
    """Fill in a sampt_ros/srv/Query response with the outcome of a query."""
    response.success, response.message = attempt.error is None, attempt.reason
    if attempt.answer is None:
        return response
    response.message = attempt.answer.text
    item = attempt.answer.object
    if item is not None:
        x, y, width, height = item.box
        response.object_id, response.state, response.score = item.id, int(item.state), float(item.score)
        response.box = RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height)
        response.area = item.area
    return response


def diagnostic_status(name: str, level: bytes, message: str, values: Mapping[str, Any]) -> DiagnosticStatus:
    """A DiagnosticStatus; level is DiagnosticStatus.OK, WARN, ERROR or STALE; values are converted to text."""
    pairs = [KeyValue(key=str(key), value=str(value)) for key, value in values.items()]
    return DiagnosticStatus(name=name, level=level, message=message, values=pairs)


def parameter_descriptor(option: Option, value: Any) -> ParameterDescriptor:
    """The descriptor of an option: description, unit, bounds and choices; read-only if it is fixed at start."""
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


@cache
def message_classes() -> MessageClasses:
    """The ROS classes that outputs are made of."""
    from sampt_ros import msg  # not at the top: images can be converted without our own messages

    return MessageClasses(
        msg.TrackedObjects,
        msg.TrackedObject,
        msg.TrackedPoint,
        RegionOfInterest,
        Pose,
        Point,
        Quaternion,
        PoseArray,
        PointCloud2,
        PointField,
        Image,
        CompressedImage,
        bytes_for_message,
    )


def _transform(surface: ObjectSurface) -> Transform:
    x, y, z = surface.centre.tolist()
    return Transform(translation=Vector3(x=x, y=y, z=z), rotation=fields.pose(surface, message_classes()).orientation)


BACKENDS.insert(0, cv_bridge_backend)
