"""Builds and reads all messages except images, with the classes of ROS or of rosbags."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import QueryError, StampError
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.geometry.surfaces import CLOUD, ObjectSurface
from sampt_ros.io.grey_range import GreyRange
from sampt_ros.messages.images import mask_from_image, rgb_from_image
from sampt_ros.streaming.requests import Action, Reference, Request

_NOWHERE = [math.nan] * 3
_SECOND = 1_000_000_000  # nanoseconds
_CLOUD_TYPES = {"object_id": "UINT32"}  # all other fields are declared as float32, including the bits of rgb


@dataclass(frozen=True)
class MessageClasses:
    """The classes that messages are made of; `data` converts an array (n,) uint8 to the type of a uint8[] field."""

    TrackedObjects: Any
    TrackedObject: Any
    TrackedPoint: Any
    RegionOfInterest: Any
    Pose: Any
    Point: Any
    Quaternion: Any
    PoseArray: Any
    PointCloud2: Any
    PointField: Any
    Image: Any
    CompressedImage: Any
    data: Callable[[np.ndarray], Any]


def stamp_ns(stamped: Any) -> int:
    """Nanoseconds of a Time, or of a Header's stamp; raises StampError if it is not a valid time."""
    stamp = getattr(stamped, "stamp", stamped)
    if stamp.sec < 0 or not 0 <= stamp.nanosec < _SECOND:
        raise StampError(
            f"expected a stamp with seconds from 0 on and nanoseconds below {_SECOND}; "
            f"got {stamp.sec} and {stamp.nanosec}"
        )
    return int(stamp.sec) * _SECOND + int(stamp.nanosec)


def tracked_objects(
    result: FrameResult, header: Any, classes: MessageClasses, surfaces: Mapping[int, ObjectSurface] | None = None
) -> Any:
    """The sampt_ros/TrackedObjects message of one frame, with the header of its image; surfaces: by object id."""
    surfaces = surfaces or {}
    objects = [_tracked_object(item, surfaces.get(item.id), classes) for item in result.objects]
    return classes.TrackedObjects(header=header, objects=objects)


def result_from_messages(objects: Any, labels: np.ndarray) -> tuple[FrameResult, dict[int, np.ndarray]]:
    """The inverse of `tracked_objects`: the result, and by object id the centre (3,) of its surface, metres.

    labels: (H, W) object id per pixel; where masks overlap, that of only one object. Objects in an unknown state are
    left out, and so are unknown centres.
    """
    states = {int(state): state for state in ObjectState}
    known = [item for item in objects.objects if item.state in states]
    results = tuple(
        ObjectResult(item.id, states[item.state], item.score, _mask_of(item, labels), _points_of(item))
        for item in known
    )
    centres = {item.id: item.pose.position for item in known}
    positions = {object_id: np.array([centre.x, centre.y, centre.z]) for object_id, centre in centres.items()}
    finite = {object_id: xyz for object_id, xyz in positions.items() if np.isfinite(xyz).all()}
    return FrameResult(0, labels.shape[:2], results), finite


def query_fields(request: Request) -> dict[str, Any]:
    """The fields, except the header, of a sampt_ros/QueryPoints message of a request; `box` and `points` as dicts.

    `request_from_message` is the inverse, except that boxes are rounded to whole pixels from 0 on. Raises QueryError
    for a request with a seed mask, and for a box of which nothing is left then.
    """
    if request.mask is not None:
        raise QueryError("expected points or a box; got a seed mask")
    columns = request.points.tolist(), request.labels.tolist()
    fields: dict[str, Any] = {
        "action": int(request.action),
        "object_id": request.object_id,
        "points": [{"x": x, "y": y, "label": int(label)} for (x, y), label in zip(*columns)],
    }
    if request.box is not None:
        left, top, right, bottom = (max(0, round(value)) for value in request.box)
        if not (left < right and top < bottom):
            got = list(request.box)
            raise QueryError(f"expected a box inside the image, two pixels or more wide and high; got {got}")
        fields["box"] = {"x_offset": left, "y_offset": top, "width": right - left + 1, "height": bottom - top + 1}
    return fields


def object_poses(surfaces: Mapping[int, ObjectSurface], header: Any, classes: MessageClasses) -> Any:
    """The geometry_msgs/PoseArray, in the camera's optical frame, metres, of the objects that have a pose.

    In the order of TrackedObjects.
    """
    return classes.PoseArray(
        header=header, poses=[pose(surface, classes) for surface in surfaces.values() if surface.has_pose]
    )


def point_cloud(points: np.ndarray, header: Any, classes: MessageClasses) -> Any:
    """(n,) records `surfaces.CLOUD` as an unordered sensor_msgs/PointCloud2."""
    kinds = classes.PointField
    fields = [
        kinds(name=name, offset=offset, datatype=getattr(kinds, _CLOUD_TYPES.get(name, "FLOAT32")), count=1)
        for name, (_, offset, *_) in (CLOUD.fields or {}).items()
    ]
    return classes.PointCloud2(
        header=header,
        height=1,
        width=len(points),
        fields=fields,
        is_bigendian=False,
        point_step=points.itemsize,
        row_step=points.nbytes,
        data=classes.data(points.view(np.uint8)),
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


def reference_from_message(msg: Any) -> Reference:
    """A sampt_ros/Reference message as a Reference.

    Raises FrameError for an image, QueryError for a mask that cannot be read.
    """
    return Reference(rgb_from_image(msg.image, GreyRange()), mask_from_image(msg.mask), msg.object_id)


def intrinsics_from_camera_info(msg: Any, rectified: bool = False) -> Pinhole:
    """The camera model of a CameraInfo, for its images as they are published: after region of interest and binning.

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


def pose(surface: ObjectSurface | None, classes: MessageClasses) -> Any:
    """The pose of an object's visible surface; NaN if it is unknown."""
    centre = _NOWHERE if surface is None else surface.centre.tolist()
    x, y, z, w = [math.nan] * 4 if surface is None else surface.quaternion.tolist()
    return classes.Pose(position=_point(centre, classes), orientation=classes.Quaternion(x=x, y=y, z=z, w=w))


def _tracked_object(item: ObjectResult, surface: ObjectSurface | None, classes: MessageClasses) -> Any:
    x, y, width, height = item.box
    points = item.points
    columns = (points.id, *points.xy.T, points.label, points.visible, points.confidence)
    nowhere = _point(_NOWHERE, classes)
    places = [nowhere] * len(points) if surface is None else [_point(xyz, classes) for xyz in surface.points.tolist()]
    return classes.TrackedObject(
        id=item.id,
        state=int(item.state),
        score=float(item.score),
        box=classes.RegionOfInterest(x_offset=x, y_offset=y, width=width, height=height, do_rectify=False),
        area=item.area,
        pose=pose(surface, classes),
        points=[
            classes.TrackedPoint(id=id_, x=x, y=y, label=label, visible=visible, confidence=confidence, position=place)
            for id_, x, y, label, visible, confidence, place in zip(*(column.tolist() for column in columns), places)
        ],
    )


def _mask_of(item: Any, labels: np.ndarray) -> LocalMask:
    left, top = item.box.x_offset, item.box.y_offset
    shown = labels[top : top + item.box.height, left : left + item.box.width]
    return LocalMask(shown == item.id, left, top, labels.shape[:2])


def _points_of(item: Any) -> Points:
    points = item.points
    return Points(
        np.array([point.id for point in points], np.uint32),
        np.array([(point.x, point.y) for point in points], np.float32).reshape(-1, 2),
        np.array([point.label for point in points], np.uint8),
        np.array([point.visible for point in points], bool),
        np.array([point.confidence for point in points], np.float32),
    )


def _point(xyz: list[float], classes: MessageClasses) -> Any:
    x, y, z = xyz
    return classes.Point(x=x, y=y, z=z)
