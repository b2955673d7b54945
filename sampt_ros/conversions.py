"""ROS messages to arrays and back. With node.py and video_publisher.py, the only modules that know ROS.

Images become (H, W, 3) uint8 RGB. The common 8-bit encodings are converted here; the rest goes through ROS's cv_bridge
where that works, else through rosbags-image.
"""

from __future__ import annotations

import math
import sys
from array import array as byte_array
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Pose, PoseArray, Quaternion, Transform, TransformStamped, Vector3
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2, PointField, RegionOfInterest
from std_msgs.msg import Header

from sampt_ros.camera import Pinhole
from sampt_ros.color_backends import color_backend
from sampt_ros.config import Option
from sampt_ros.depth import CLOUD, Solid
from sampt_ros.errors import FrameError, QueryError
from sampt_ros.session import Action, Request
from sampt_ros.structures import FrameResult, ObjectResult

_BAYER = [f"bayer_{order}{depth}" for order in ("rggb", "bggr", "gbrg", "grbg") for depth in (8, 16)]

# Channels by encoding; those that end in 16 have two bytes per channel, all others one.
_CHANNELS = {
    **dict.fromkeys(["mono8", "mono16", *_BAYER, "nv12", "nv21"], 1),
    **dict.fromkeys(["yuv422", "yuv422_yuy2"], 2),
    **dict.fromkeys(["rgb8", "bgr8", "rgb16", "bgr16"], 3),
    **dict.fromkeys(["rgba8", "bgra8", "rgba16", "bgra16"], 4),
}
# The same layout under another name; images without colour information are what OpenCV takes them for.
_ALIASES = {"uyvy": "yuv422", "yuyv": "yuv422_yuy2", "8UC1": "mono8", "8UC3": "bgr8", "8UC4": "bgra8"}
_HALF_HEIGHT_CHROMA = ("nv12", "nv21")  # a plane of H rows of luminance, then one of H / 2 rows of chrominance
_EVEN_WIDTH = ("yuv422", "yuv422_yuy2", *_HALF_HEIGHT_CHROMA)
_OWN_CONVERSIONS = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "mono8": cv2.COLOR_GRAY2RGB,
    "nv12": cv2.COLOR_YUV2RGB_NV12,
    "nv21": cv2.COLOR_YUV2RGB_NV21,
}
# Encodings of one channel, as numpy names their numbers.
_DEPTH_TYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_MASK_TYPES = _DEPTH_TYPES | {"mono8": "u1", "8UC1": "u1", "8SC1": "i1", "16SC1": "i2", "32SC1": "i4", "64FC1": "f8"}
_CLOUD_TYPES = {"object_id": PointField.UINT32}  # all others, rgb's bits too, are float32 by name
_CLOUD_FIELDS = [
    PointField(name=name, offset=offset, datatype=_CLOUD_TYPES.get(name, PointField.FLOAT32), count=1)
    for name, (_, offset, *_) in (CLOUD.fields or {}).items()
]
_PUBLISHED = {"mono8": (np.uint8, 1), "mono16": (np.uint16, 1), "rgb8": (np.uint8, 3)}


def rgb_from_image(msg: Image) -> np.ndarray:
    """The image as (H, W, 3) uint8 RGB, C-contiguous; an unpadded rgb8 image is not copied but shares msg.data.

    16-bit channels are divided by 257, so that white stays white. 8UC1, 8UC3 and 8UC4 are taken as mono8, bgr8 and
    bgra8. Bytes after the last row are ignored. Raises FrameError for an unknown encoding, and for a size, step and
    data that do not agree.
    """
    encoding = _ALIASES.get(msg.encoding, msg.encoding)
    if encoding not in _CHANNELS:
        known = ", ".join([*_CHANNELS, *_ALIASES])
        raise FrameError(f"expected an image encoding that shows colours or grey ({known}); got {msg.encoding!r}")
    pixels = _pixels(msg, encoding)
    if encoding == "rgb8":
        return pixels
    if encoding in _OWN_CONVERSIONS:
        return cv2.cvtColor(pixels, _OWN_CONVERSIONS[encoding])
    packed = SimpleNamespace(
        height=msg.height,
        width=msg.width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == "big"),
        step=pixels.nbytes // len(pixels),
        data=pixels.reshape(-1).view(np.uint8),
    )
    return np.ascontiguousarray(color_backend()(packed))


def rgb_from_compressed(msg: CompressedImage) -> np.ndarray:
    """A JPEG, PNG or other compressed image as (H, W, 3) uint8 RGB; 16-bit channels lose their lower byte.

    Raises FrameError if the data cannot be decoded.
    """
    data = np.frombuffer(msg.data, np.uint8)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise FrameError(f"expected JPEG or PNG data; got {len(data)} bytes that do not decode ({msg.format!r})")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def mask_from_image(msg: Image) -> np.ndarray | None:
    """A seed mask as (H, W) bool, True where a pixel is above 0; None for an empty message, which means no mask.

    Raises QueryError for an encoding of more than one channel, and for a size, step and data that do not agree.
    """
    if msg.width == 0 and msg.height == 0 and len(msg.data) == 0:
        return None
    if msg.encoding not in _MASK_TYPES:
        raise QueryError(f"expected a mask encoded as one of {', '.join(_MASK_TYPES)}; got {msg.encoding!r}")
    try:
        return _plane(msg, _MASK_TYPES[msg.encoding]) > 0
    except FrameError as error:
        raise QueryError(f"mask: {error}") from None


def depth_from_image(msg: Image) -> np.ndarray:
    """Depth as REP 118 has it: (H, W) uint16 millimetres or float32 metres, in this machine's byte order.

    Raises FrameError for another encoding, and for a size, step and data that do not agree.
    """
    if msg.encoding not in _DEPTH_TYPES:
        raise FrameError(f"expected depth encoded as one of {', '.join(_DEPTH_TYPES)}; got {msg.encoding!r}")
    plane = _plane(msg, _DEPTH_TYPES[msg.encoding])
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)


def image_from_array(array: np.ndarray, encoding: str, header: Header) -> Image:
    """An Image of mono8 (H, W) uint8, mono16 (H, W) uint16 or rgb8 (H, W, 3) uint8, little-endian, without padding.

    `header` goes into the message as it is. Raises FrameError if the array and the encoding do not agree.
    """
    if encoding not in _PUBLISHED:
        raise FrameError(f"expected one of the encodings {', '.join(_PUBLISHED)}; got {encoding!r}")
    kind, channels = _PUBLISHED[encoding]
    if array.dtype != kind or array.ndim < 2 or array.shape[2:] != ((channels,) if channels > 1 else ()):
        shape = "(H, W)" if channels == 1 else f"(H, W, {channels})"
        raise FrameError(f"expected {shape} {np.dtype(kind).name} for {encoding}; got {array.shape} {array.dtype.name}")
    height, width = array.shape[:2]
    step = width * channels * array.itemsize
    data = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return Image(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=step,
        data=bytes_for_message(data),
    )


def bytes_for_message(data: np.ndarray) -> byte_array:
    """A C-contiguous array as what a uint8[] field takes at once: anything else is checked byte by byte."""
    buffer = byte_array("B")
    buffer.frombytes(data.reshape(-1).view(np.uint8).data)
    return buffer


def stamp_ns(stamped: Header | Time) -> int:
    """Nanoseconds of a Time, or of a Header's stamp."""
    stamp = getattr(stamped, "stamp", stamped)
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def time_from_ns(ns: int) -> Time:
    """The Time of so many nanoseconds."""
    sec, nanosec = divmod(int(ns), 1_000_000_000)
    return Time(sec=sec, nanosec=nanosec)


def tracked_objects(result: FrameResult, header: Header, found: Mapping[int, Solid] | None = None) -> Any:
    """The sampt_ros/TrackedObjects message of one frame; `header` is the input image's, `found` what depth shows."""
    from sampt_ros.msg import TrackedObjects  # not at the top: images convert without our own messages

    found = found or {}
    return TrackedObjects(header=header, objects=[_tracked_object(item, found.get(item.id)) for item in result.objects])


def object_poses(found: Mapping[int, Solid], header: Header) -> PoseArray:
    """The poses of the objects that have one, in the order of TrackedObjects."""
    return PoseArray(header=header, poses=[_pose(solid) for solid in found.values() if solid.has_pose])


def object_transforms(found: Mapping[int, Solid], header: Header, prefix: str) -> list[TransformStamped]:
    """The same as transforms from the camera's frame to PREFIX/object_ID."""
    return [
        TransformStamped(header=header, child_frame_id=f"{prefix}/object_{name}", transform=_transform(solid))
        for name, solid in found.items()
        if solid.has_pose
    ]


def point_cloud(points: np.ndarray, header: Header) -> PointCloud2:
    """(n,) records `depth.CLOUD` as an unordered cloud."""
    return PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=_CLOUD_FIELDS,
        point_step=points.itemsize,
        row_step=points.nbytes,
        data=bytes_for_message(points),
        is_dense=True,
    )


def request_from_message(msg: Any) -> Request:
    """A sampt_ros/QueryPoints message as a Request; raises QueryError for an unknown action or a bad mask."""
    actions = {int(action): action for action in Action}
    if msg.action not in actions:
        known = ", ".join(f"{action.name} {action.value}" for action in Action)
        raise QueryError(f"expected an action of {known}; got {msg.action}")
    left, top, width, height = msg.box.x_offset, msg.box.y_offset, msg.box.width, msg.box.height
    return Request(
        actions[msg.action],
        msg.object_id,
        np.array([(point.x, point.y) for point in msg.points], np.float32).reshape(-1, 2),
        np.array([point.label for point in msg.points], np.uint8),
        (left, top, left + width - 1, top + height - 1) if width or height else None,
        mask_from_image(msg.mask),
        stamp_ns(msg.header),
    )


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


def intrinsics_from_camera_info(msg: CameraInfo, rectified: bool = False) -> Pinhole:
    """The camera of the images that come with this CameraInfo: its region of interest cut out, its binning applied.

    Raw images have the matrix K and the distortion D. With `rectified` (topics such as image_rect) they have the left
    3x3 of P and no distortion; the points to project are then in the rectified camera's frame.

    Raises QueryError if the camera is uncalibrated or the distortion model is unknown.
    """
    matrix = np.reshape(msg.p, (3, 4))[:, :3] if rectified else np.reshape(msg.k, (3, 3))
    if matrix[0, 0] == 0:
        raise QueryError(f"expected a calibrated CameraInfo; got {'P' if rectified else 'K'}[0] = 0")
    binning = (max(1, msg.binning_x), max(1, msg.binning_y))
    matrix = np.array(matrix, np.float64)
    matrix[0, 2] -= msg.roi.x_offset
    matrix[1, 2] -= msg.roi.y_offset
    matrix[0] /= binning[0]
    matrix[1] /= binning[1]
    return Pinhole(
        matrix,
        np.zeros(0) if rectified else np.array(msg.d, np.float64),
        "" if rectified else msg.distortion_model,
        (msg.roi.width or msg.width) // binning[0],
        (msg.roi.height or msg.height) // binning[1],
    )


def _pixels(msg: Image, encoding: str) -> np.ndarray:
    """(rows, W) or (rows, W, channels) uint8 or uint16, C-contiguous, in this machine's byte order."""
    channels = _CHANNELS[encoding]
    kind = np.dtype(np.uint16 if encoding.endswith("16") else np.uint8)
    rows = msg.height
    if encoding in _EVEN_WIDTH and msg.width % 2:
        raise FrameError(f"expected an even width for {msg.encoding}; got {msg.width}x{msg.height}")
    if encoding in _HALF_HEIGHT_CHROMA:
        if msg.height % 2:
            raise FrameError(f"expected an even height for {msg.encoding}; got {msg.width}x{msg.height}")
        rows = msg.height * 3 // 2
    packed = np.ascontiguousarray(_rows(msg, rows, msg.width * channels * kind.itemsize)).view(kind)
    if kind.itemsize > 1 and bool(msg.is_bigendian) != (sys.byteorder == "big"):
        packed = packed.byteswap()
    return packed if channels == 1 else packed.reshape(rows, msg.width, channels)


def _plane(msg: Image, kind: str) -> np.ndarray:
    """(H, W) numbers of one channel, C-contiguous, in the message's byte order; kind: as numpy names them."""
    number = np.dtype(kind).newbyteorder(">" if msg.is_bigendian else "<")
    return np.ascontiguousarray(_rows(msg, msg.height, msg.width * number.itemsize)).view(number)


def _rows(msg: Image, rows: int, row_bytes: int) -> np.ndarray:
    """(rows, row_bytes) uint8: the message's data without the padding, not copied."""
    if msg.width == 0 or msg.height == 0:
        raise FrameError(f"expected an image with at least one pixel; got {msg.width}x{msg.height}")
    if msg.step < row_bytes:
        raise FrameError(
            f"expected a step of at least {row_bytes} bytes for {msg.width} pixels of {msg.encoding}; got {msg.step}"
        )
    data = np.frombuffer(msg.data, np.uint8)
    if len(data) < rows * msg.step:
        raise FrameError(f"expected {rows} rows of {msg.step} bytes, {rows * msg.step} in all; got {len(data)}")
    return data[: rows * msg.step].reshape(rows, msg.step)[:, :row_bytes]


def _tracked_object(item: ObjectResult, solid: Solid | None) -> Any:
    from sampt_ros.msg import TrackedObject, TrackedPoint

    x, y, width, height = item.box
    points = item.points
    columns = (points.id, *points.xy.T, points.label, points.visible, points.confidence)
    places = [_NOWHERE] * len(points) if solid is None else [_point(xyz) for xyz in solid.points.tolist()]
    return TrackedObject(
        id=item.id,
        state=int(item.state),
        score=float(item.score),
        box=RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height),
        area=item.area,
        pose=_NO_POSE if solid is None else _pose(solid),
        points=[
            TrackedPoint(id=id_, x=x, y=y, label=label, visible=visible, confidence=confidence, position=place)
            for id_, x, y, label, visible, confidence, place in zip(*(column.tolist() for column in columns), places)
        ],
    )


def _pose(solid: Solid) -> Pose:
    x, y, z, w = solid.quaternion.tolist()
    return Pose(position=_point(solid.centre.tolist()), orientation=Quaternion(x=x, y=y, z=z, w=w))


def _transform(solid: Solid) -> Transform:
    x, y, z = solid.centre.tolist()
    return Transform(translation=Vector3(x=x, y=y, z=z), rotation=_pose(solid).orientation)


def _point(xyz: list[float]) -> Point:
    x, y, z = xyz
    return Point(x=x, y=y, z=z)


_NOWHERE = _point([math.nan] * 3)
_NO_POSE = Pose(position=_NOWHERE, orientation=Quaternion(x=math.nan, y=math.nan, z=math.nan, w=math.nan))
