"""Bags for tests, written with rosbags."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags.rosbag2", reason="rosbags is missing, which reads and writes bags")
pytest.importorskip("mcap", reason="mcap is missing, which reads damaged bags")

from mcap.writer import Writer as McapWriter
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.reader import BagReader
from sampt_ros.messages.images import image_fields

STORAGES = ("mcap", "sqlite3")
IMAGES = "/camera/image_raw"
DEPTHS = "/camera/depth"
FRAME = "camera_optical_frame"
START = 1_700_000_000_000_000_000  # ns; the first image's stamp
PERIOD = 100_000_000
DELAY = 5_000_000  # from an image's stamp until it is recorded


def make(name: str, **fields):
    """A message by the name of its type, such as sensor_msgs/Image."""
    return bag_types.types().types[name.replace("/", "/msg/")](**fields)


def header(index: int, frame: str = FRAME):
    """That of image `index`; -1 has no stamp."""
    sec, nanosec = divmod(START + index * PERIOD, 10**9) if index >= 0 else (0, 0)
    return make("std_msgs/Header", stamp=make("builtin_interfaces/Time", sec=sec, nanosec=nanosec), frame_id=frame)


def image(index: int, pixels: np.ndarray):
    """A message and its topic."""
    return IMAGES, make("sensor_msgs/Image", header=header(index), **image_fields(pixels, "rgb8"))


def images(count: int, size: tuple[int, int] = (48, 64)):
    """So many black ones."""
    return [image(index, np.zeros((*size, 3), np.uint8)) for index in range(count)]


def depth(index: int, plane: np.ndarray, frame: str = FRAME, topic: str = DEPTHS, late: int = 0):
    """(H, W) uint16 millimetres or float32 metres, stamped `late` ns after image `index`."""
    height, width = plane.shape
    stamped = header(index, frame)
    stamped.stamp.nanosec += late
    return topic, make(
        "sensor_msgs/Image",
        header=stamped,
        height=height,
        width=width,
        encoding={"uint16": "16UC1", "float32": "32FC1"}[plane.dtype.name],
        is_bigendian=0,
        step=width * plane.itemsize,
        data=plane.reshape(-1).view(np.uint8),
    )


def compressed_depth(
    index: int, coded: tuple[str, bytes], frame: str = FRAME, topic: str = f"{DEPTHS}/compressedDepth"
):
    """coded: the format and data that support/compressed_depth makes."""
    form, data = coded
    data = np.frombuffer(data, np.uint8)
    return topic, make("sensor_msgs/CompressedImage", header=header(index, frame), format=form, data=data)


def compressed(index: int, pixels: np.ndarray, suffix: str = ".png"):
    data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
    return f"{IMAGES}/compressed", make("sensor_msgs/CompressedImage", header=header(index), format="png", data=data)


def query(index: int, xy=(), action: int = 0, object_id: int = 0, frame: str = FRAME):
    """A QueryPoints message about image `index` with positive points."""
    return "/sampt/query_points", make(
        "sampt_ros/QueryPoints",
        header=header(index, frame),
        action=action,
        object_id=object_id,
        points=[make("sampt_ros/QueryPoint", x=x, y=y, label=1) for x, y in xy],
        box=make("sensor_msgs/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
        mask=make(
            "sensor_msgs/Image",
            header=header(-1, ""),
            height=0,
            width=0,
            encoding="",
            is_bigendian=0,
            step=0,
            data=np.zeros(0, np.uint8),
        ),
    )


def reference(pixels: np.ndarray, mask: np.ndarray, object_id: int):
    """The object in a picture, its mask (H, W) uint8."""
    return "/sampt/reference", make(
        "sampt_ros/Reference",
        header=header(-1, ""),
        object_id=object_id,
        image=make("sensor_msgs/Image", header=header(-1, ""), **image_fields(pixels, "rgb8")),
        mask=make("sensor_msgs/Image", header=header(-1, ""), **image_fields(mask, "mono8")),
    )


def camera_info(index: int, focal: float, height: int, width: int):
    middle = (width / 2, height / 2)
    matrix = np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
    return "/camera/camera_info", make(
        "sensor_msgs/CameraInfo",
        header=header(index),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=matrix.reshape(-1),
        r=np.eye(3).reshape(-1),
        p=np.column_stack([matrix, np.zeros(3)]).reshape(-1),
        binning_x=0,
        binning_y=0,
        roi=make("sensor_msgs/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
    )


def click(index: int, xyz, frame: str = FRAME, topic: str = "/clicked_point"):
    x, y, z = xyz
    point = make("geometry_msgs/Point", x=x, y=y, z=z)
    return topic, make("geometry_msgs/PointStamped", header=header(index, frame), point=point)


def write(path, messages, storage: str = "mcap"):
    """A bag of (topic, message) pairs, recorded one after the other, each DELAY after its header's stamp at least.

    A message with the attribute `at`, a header, is recorded by that instead.
    """
    types = bag_types.types()
    recorded = 0
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()]) as writer:
        topics = {}
        for topic, message in messages:
            kind = message.__msgtype__
            if topic not in topics:
                topics[topic] = writer.add_connection(topic, kind, typestore=types)
            known = getattr(message, "at", getattr(message, "header", None))
            at = known.stamp.sec * 10**9 + known.stamp.nanosec if known else 0
            recorded = max(recorded + 1, at + DELAY)
            writer.write(topics[topic], recorded, types.serialize_cdr(message, kind))
    return path


def read(path) -> dict[str, list]:
    """The (time of recording, message) pairs of a bag by topic."""
    found: dict[str, list] = {}
    with Reader(path) as reader:
        for connection, recorded, data in reader.messages():
            message = bag_types.types().deserialize_cdr(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((recorded, message))
    return found


def pixels(message) -> np.ndarray:
    """(H, W) of a mono8 or mono16 message."""
    kind = {"mono8": np.uint8, "mono16": np.uint16}[message.encoding]
    return message.data.view(kind).reshape(message.height, message.width)


def storage_file(path):
    """The file that a bag's messages are in."""
    (found,) = (file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
    return found


def times(path) -> list[int]:
    """When the images of a bag were recorded, as they are read."""
    with BagReader(path) as bag:
        return [recorded for _, recorded, _ in bag.messages({IMAGES})]


def recorded(count: int, first: int = 0) -> list[int]:
    """When `write` records so many of `images`, from image `first` on."""
    return [START + index * PERIOD + DELAY for index in range(first, first + count)]


def write_mcap(path, count, break_up=1, schemas=True, **options):
    """An MCAP file with an image a chunk, written by mcap's own writer."""
    types = bag_types.types()
    sent = images(count)
    with path.open("wb") as file:
        writer = McapWriter(file, chunk_size=break_up, **options)
        writer.start("ros2")
        schema = writer.register_schema(bag_types.IMAGE, "ros2msg", b"") if schemas else 0
        channel = writer.register_channel(IMAGES, "cdr", schema)
        for index, (_, message) in enumerate(sent):
            data = bytes(types.serialize_cdr(message, bag_types.IMAGE))
            writer.add_message(channel, recorded(1, index)[0], data, recorded(1, index)[0])
        writer.finish()
    return path
