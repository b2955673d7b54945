"""Makes small whole inputs of every kind, which are then damaged."""

from __future__ import annotations

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from safetensors.torch import save_file

from sampt_ros.bags import types as bag_types
from sampt_ros.bags.storage import Topic
from sampt_ros.bags.topics import Inputs
from sampt_ros.bags.types import CAMERA_INFO, COMPRESSED_IMAGE, IMAGE, POINT, POINT_STAMPED, QUERY_POINTS, REFERENCE
from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.messages.images import image_fields

SIZE = (48, 64)  # height, width
FRAME = "camera_optical_frame"
FRAMES = 4

BAGS = ("mcap", "mcap_zstd", "sqlite3", "sqlite3_zstd")
PICTURES = (
    "labels.png",
    "grey.png",
    "rgb.png",
    "rgba.png",
    "deep.png",
    "photo.jpg",
    "labels.gif",
    "mask.bmp",
    "mask.tiff",
    "mask.webp",
    "quantized.png",
)
VIDEOS = ("video.mp4", "video.avi", "folder", "photo.jpg", "stack.tif", "moving.gif", "moving.webp", "moving.png")
CHECKPOINTS = ("weights.pth", "old.pth", "weights.safetensors")

UNREADABLE = (
    ArithmeticError,
    AssertionError,
    LookupError,
    MemoryError,
    ValueError,
)  # what rosbags raises beside its own
_TOPICS = {
    "/camera/image": IMAGE,
    "/camera/image/compressed": COMPRESSED_IMAGE,
    "/camera/depth": IMAGE,
    "/camera/camera_info": CAMERA_INFO,
    "/sampt/query_points": QUERY_POINTS,
    "/sampt/reference": REFERENCE,
    "/camera/image_mouse_left": POINT,
    "/clicked_point": POINT_STAMPED,
    "/sampt/clicked_background": POINT_STAMPED,
}


def pixels(number: int) -> np.ndarray:
    """(48, 64, 3) uint8: a red disk that moves over grey."""
    image = np.full((*SIZE, 3), 110, np.uint8)
    image[::7] += np.uint8(20)
    cv2.circle(image, (20 + number, 14), 9, (210, 40, 30), cv2.FILLED)
    return image


def inputs(compressed: bool = False) -> Inputs:
    """The topics of `stream`; compressed: whether its images are the compressed ones."""
    topics = {name: Topic(name, kind, None) for name, kind in _TOPICS.items()}
    return Inputs(
        topics["/camera/image/compressed" if compressed else "/camera/image"],
        topics["/camera/depth"],
        topics["/sampt/query_points"],
        topics["/camera/camera_info"],
        topics["/sampt/reference"],
        (topics["/camera/image_mouse_left"],),
        {"/clicked_point": POSITIVE, "/sampt/clicked_background": NEGATIVE},
    )


def serialized(message: Any) -> bytes:
    """A message as the bytes that a recorder writes."""
    return bytes(bag_types.types().serialize_cdr(message, message.__msgtype__))


def stream() -> list[tuple[str, Any]]:
    """Topics and messages of a camera with depth, and of queries, references and clicks of all kinds."""
    found: list[tuple[str, Any]] = []
    for number in range(FRAMES):
        found += _camera(number)
        if number == 1:
            found += _requests(number)
    return found


def _make(kind: str, **values: Any) -> Any:
    return bag_types.types().types[kind](**values)


def _header(number: int) -> Any:
    stamp = _make("builtin_interfaces/msg/Time", sec=1_700_000_000, nanosec=100_000_000 * number)
    return _make("std_msgs/msg/Header", stamp=stamp, frame_id=FRAME)


def _image(number: int, array: np.ndarray, encoding: str) -> Any:
    return _make(IMAGE, header=_header(number), **image_fields(array, encoding))


def _camera(number: int) -> list[tuple[str, Any]]:
    depth = _image(number, np.full(SIZE, 1000, np.uint16), "mono16")
    depth.encoding = "16UC1"
    jpeg = cv2.imencode(".jpg", pixels(number))[1]
    height, width = SIZE
    k = np.array([60.0, 0, width / 2, 0, 60, height / 2, 0, 0, 1])
    region = _make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    info = _make(
        CAMERA_INFO,
        header=_header(number),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k,
        r=np.eye(3).ravel(),
        p=np.insert(k, [3, 6, 9], 0.0),
        binning_x=0,
        binning_y=0,
        roi=region,
    )
    return [
        ("/camera/camera_info", info),
        ("/camera/depth", depth),
        ("/camera/image", _image(number, pixels(number), "rgb8")),
        ("/camera/image/compressed", _make(COMPRESSED_IMAGE, header=_header(number), format="jpeg", data=jpeg.ravel())),
    ]


def _requests(number: int) -> list[tuple[str, Any]]:
    mask = np.zeros(SIZE, np.uint8)
    mask[6:20, 12:30] = 255
    picture = _make(
        REFERENCE,
        header=_header(number),
        object_id=5,
        image=_image(number, pixels(0), "rgb8"),
        mask=_image(number, mask, "mono8"),
    )
    point = _make(POINT, x=20.0, y=12.0, z=0.0)
    in_space = _make(POINT_STAMPED, header=_header(number), point=_make(POINT, x=-0.2, y=-0.15, z=0.99))
    return [
        ("/sampt/query_points", _query(number, [(20.0, 14.0)], (0, 0, 0, 0))),
        ("/sampt/query_points", _query(number, [], (10, 4, 20, 20))),
        ("/sampt/query_points", _query(number, [], (0, 0, 0, 0), mask)),
        ("/sampt/reference", picture),
        ("/camera/image_mouse_left", point),
        ("/clicked_point", in_space),
        ("/sampt/clicked_background", in_space),
    ]


def _query(number: int, xy: list[tuple[float, float]], box: tuple[int, ...], mask: np.ndarray | None = None) -> Any:
    nothing = {"height": 0, "width": 0, "encoding": "", "is_bigendian": 0, "step": 0, "data": np.zeros(0, np.uint8)}
    x, y, width, height = box
    return _make(
        QUERY_POINTS,
        header=_header(number),
        action=0,
        object_id=0,
        points=[_make("sampt_ros/msg/QueryPoint", x=x, y=y, label=1) for x, y in xy],
        box=_make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=x, y_offset=y, height=height, width=width, do_rectify=False
        ),
        mask=_make(IMAGE, header=_header(number), **(nothing if mask is None else image_fields(mask, "mono8"))),
    )


@cache
def weights() -> dict[str, torch.Tensor]:
    """The state dict that the checkpoints hold."""
    generator = torch.Generator().manual_seed(1)
    return {name: torch.randn(shape, generator=generator) for name, shape in (("a.weight", (4, 3)), ("a.bias", (4,)))}


def write(folder: Path) -> None:
    """Write all files below `folder`."""
    for name in BAGS:
        _write_bag(folder / name, *name.partition("_")[::2])
    labels = np.zeros(SIZE, np.uint8)
    labels[6:20, 12:30], labels[30:40, 40:60] = 1, 2
    palette = Image.fromarray(labels)
    palette.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    white = Image.fromarray((labels > 0).astype(np.uint8) * np.uint8(255))
    photo = Image.fromarray(pixels(0))
    palette.save(folder / "labels.png")
    palette.save(folder / "labels.gif")
    white.save(folder / "grey.png")
    photo.save(folder / "rgb.png")
    cut_out = photo.copy()
    cut_out.putalpha(white)
    cut_out.save(folder / "rgba.png")
    Image.fromarray(labels.astype(np.uint16) * 300).save(folder / "deep.png")
    photo.save(folder / "photo.jpg")
    photo.quantize(4).save(folder / "quantized.png")
    for suffix in ("bmp", "tiff", "webp"):
        white.save(folder / f"mask.{suffix}")
    for name, codec in (("video.mp4", "mp4v"), ("video.avi", "MJPG")):
        writer = cv2.VideoWriter(str(folder / name), cv2.VideoWriter.fourcc(*codec), 10, SIZE[::-1])
        for number in range(8):
            writer.write(pixels(number))
        writer.release()
    frames = [Image.fromarray(pixels(number)) for number in range(4)]
    for name in ("stack.tif", "moving.gif", "moving.webp", "moving.png"):
        frames[0].save(folder / name, save_all=True, append_images=frames[1:], duration=100)
    (folder / "folder").mkdir(exist_ok=True)
    for number in range(4):
        Image.fromarray(pixels(number)).save(folder / "folder" / f"{number:03d}.{'png' if number % 2 else 'jpg'}")
    torch.save(weights(), folder / "weights.pth")
    torch.save(weights(), folder / "old.pth", _use_new_zipfile_serialization=False)
    save_file(weights(), folder / "weights.safetensors")


def _write_bag(path: Path, storage: str, compression: str) -> None:
    writer = Writer(path, version=8, storage_plugin=StoragePlugin[storage.upper()])
    if compression:
        mode = CompressionMode.STORAGE if storage == "mcap" else CompressionMode.MESSAGE
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        left_out = ("/camera/image/compressed",)  # It would be a second topic of images.
        for row, (topic, message) in enumerate(pair for pair in stream() if pair[0] not in left_out):
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=bag_types.types())
            writer.write(connections[topic], (row + 1) * 1_000_000, serialized(message))


def copied(folder: Path, name: str) -> Path:
    """Copy a file or folder, so that the copy can be damaged; the copy before is deleted."""
    whole = folder / name
    copy = folder / "damaged" / name
    shutil.rmtree(copy.parent, ignore_errors=True)
    copy.parent.mkdir()
    if whole.is_dir():
        shutil.copytree(whole, copy)
    else:
        shutil.copyfile(whole, copy)
    return copy
