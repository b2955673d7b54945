"""Views as browsers get them: a JPEG, and in JSON what the page draws over it."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import cv2
import numpy as np

from sampt_ros.config.web import WebConfig
from sampt_ros.data_types import ObjectResult
from sampt_ros.errors import QueryError
from sampt_ros.io.label_images import object_color
from sampt_ros.streaming.live.view import View

_LENGTH = struct.Struct("<I")  # of the JSON that follows; behind it comes the rest
_SMALL_SIDE, _LEAST_SIDE = 400, 64  # Pixels, of the longer side of pictures for slow lines.
_SMALL_QUALITY = 50
_TOLERANCE = 0.5  # Pixels of the picture sent that outlines may be off.


def small_pictures(config: WebConfig) -> WebConfig:
    """The same for viewers whose line is slow."""
    size = max(_LEAST_SIDE, min(_SMALL_SIDE, config.picture_size // 2))
    return replace(config, picture_size=size, quality=min(_SMALL_QUALITY, config.quality))


def joined(header: dict[str, Any], content: bytes) -> bytes:
    """A message of a header, which is sent as JSON, and of the bytes that it speaks of."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(text)), text, content))


def split(message: bytes, longest: int | None = None) -> tuple[dict[str, Any], bytes]:
    """The header and the content of a message that `joined` makes; raises QueryError.

    longest  bytes that the header may have: a long one takes a while to read, in which nothing else happens
    """
    start = _LENGTH.size
    length = _LENGTH.unpack(message[:start])[0] if len(message) >= start else 0
    if not 0 < length <= len(message) - start:
        raise QueryError(f"expected a message that begins with the length of its header; got {length}")
    if longest is not None and length > longest:
        raise QueryError(f"expected a header of at most {longest} bytes; got {length}")
    return read_json(message[start : start + length]), message[start + length :]


def read_json(text: str | bytes) -> dict[str, Any]:
    """What a JSON object holds; raises QueryError for anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise QueryError("expected JSON; got what is none") from None
    if not isinstance(content, dict):
        raise QueryError(f"expected a JSON object; got {type(content).__name__}")
    return content


def packet(number: int, view: View, config: WebConfig) -> bytes:
    """A view as one message: `number` tells it from the others."""
    height, width = view.image.shape[:2]
    scale = min(1.0, config.picture_size / max(height, width))
    picture = view.image
    if scale < 1:
        size = max(1, round(scale * width)), max(1, round(scale * height))
        # By areas a scale that is no whole number takes four times as long, which only much smaller pictures need.
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA)
    settings = [cv2.IMWRITE_JPEG_QUALITY, config.quality]
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)[1]
    header = {
        "number": number,
        "stamp": str(view.stamp_ns),  # JavaScript's numbers have 53 bits
        "width": width,
        "height": height,
        "objects": [_drawn(item, view.positions.get(item.id), _TOLERANCE / scale) for item in view.result.objects],
    }
    return joined(header, jpeg.tobytes())


def _drawn(item: ObjectResult, position: np.ndarray | None, tolerance: float) -> dict[str, Any]:
    points = item.points
    columns = (*points.xy.round(1).T.tolist(), points.label.tolist(), points.visible.astype(int).tolist())
    is_known = position is not None and bool(np.isfinite(position).all())
    return {
        "id": item.id,
        "state": item.state.name,
        "score": round(float(item.score), 3),
        "area": item.area,
        "box": item.box,
        "color": "#{:02x}{:02x}{:02x}".format(*object_color(item.id)),
        "outlines": outlines(item, tolerance),
        "points": [list(point) for point in zip(*columns)],
        "position": [round(float(value), 4) for value in position] if is_known and position is not None else None,
    }


def outlines(item: ObjectResult, tolerance: float) -> list[list[int]]:
    """The borders of a mask's parts and holes, each x, y, x, y, ... in pixels, off by `tolerance` pixels at most.

    What an odd number of them goes around is in the mask.
    """
    if not item.area:
        return []
    x, y, width, height = item.box
    mask = item.mask[y : y + height, x : x + width].view(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y))
    return [cv2.approxPolyDP(contour, tolerance, closed=True).reshape(-1).tolist() for contour in found]
