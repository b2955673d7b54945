"""The messages of the WebSocket: a view becomes a JPEG, and JSON with what the page draws over it."""

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

_LENGTH = struct.Struct("<I")  # Length of the JSON header that follows; the content comes after it.
_SMALL_SIDE, _LEAST_SIDE = 400, 64  # Largest and smallest longer side of small pictures, pixels.
_SMALL_QUALITY = 50  # JPEG quality of small pictures.
_TOLERANCE = 0.5  # Largest error of outlines, in pixels of the picture that is sent.


def small_pictures(config: WebConfig) -> WebConfig:
    """The configuration with smaller pictures, for viewers whose connection is slow."""
    size = max(_LEAST_SIDE, min(_SMALL_SIDE, config.picture_size // 2))
    return replace(config, picture_size=size, quality=min(_SMALL_QUALITY, config.quality))


def joined(header: dict[str, Any], content: bytes) -> bytes:
    """A message made of a header, which is encoded as JSON, and a content, which the header describes."""
    text = json.dumps(header, separators=(",", ":")).encode()
    return b"".join((_LENGTH.pack(len(text)), text, content))


def split(message: bytes, longest: int | None = None) -> tuple[dict[str, Any], bytes]:
    """The header and the content of a message that `joined` made; raises QueryError for anything else.

    longest  largest length of the header in bytes: nothing else happens while a long one is parsed
    """
    start = _LENGTH.size
    length = _LENGTH.unpack(message[:start])[0] if len(message) >= start else 0
    if not 0 < length <= len(message) - start:
        raise QueryError(f"expected a message that begins with the length of its header; got {length}")
    if longest is not None and length > longest:
        raise QueryError(f"expected a header of at most {longest} bytes; got {length}")
    return read_json(message[start : start + length]), message[start + length :]


def read_json(text: str | bytes) -> dict[str, Any]:
    """Parse a JSON object; raises QueryError for anything else."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise QueryError("expected JSON; got something else") from None
    if not isinstance(content, dict):
        raise QueryError(f"expected a JSON object; got {type(content).__name__}")
    return content


def packet(number: int, view: View, config: WebConfig) -> bytes:
    """A view as one message for the page; number: of the view, by which the page says later that it was drawn."""
    height, width = view.image.shape[:2]
    scale = min(1.0, config.picture_size / max(height, width))
    picture = view.image
    if scale < 1:
        size = max(1, round(scale * width)), max(1, round(scale * height))
        # INTER_AREA takes four times as long if the scale is not 1/n, and only much smaller pictures need it.
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA)
    settings = [cv2.IMWRITE_JPEG_QUALITY, config.quality]
    jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)[1]
    header = {
        "number": number,
        "stamp": str(view.stamp_ns),  # As text, because numbers in JavaScript have 53 bits only.
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
    """The outlines of a mask's parts and holes, each x, y, x, y, ... in pixels of the image.

    Fill them by the even-odd rule: a pixel is in the mask if an odd number of outlines surround it.

    tolerance  largest distance of an outline from the mask's border, pixels
    """
    if not item.area:
        return []
    mask = item.local_mask.within_bounds.view(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=item.box[:2])
    return [cv2.approxPolyDP(contour, tolerance, closed=True).reshape(-1).tolist() for contour in found]
