"""Pictures for people: masks, points and names drawn over the camera's image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sampt_ros.palette import Color, object_color
from sampt_ros.structures import POSITIVE, FrameResult, ObjectResult, ObjectState

_OPACITY = 0.45  # of masks
_DARK: Color = (24, 24, 24)
_WHITE: Color = (255, 255, 255)
_GREY: Color = (170, 170, 170)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_COLUMNS = 4  # of contact sheets
_SHIFT = 4  # OpenCV draws to a sixteenth of a pixel


def draw(image: np.ndarray, result: FrameResult) -> np.ndarray:
    """A copy of `image` (H, W, 3) uint8 RGB with the result of its frame drawn on it."""
    canvas = image.copy()
    scale = max(1.0, min(result.size) / 480)
    for item in result.objects:
        _draw_mask(canvas, item, scale)
    for item in result.objects:
        _draw_points(canvas, item, scale)
    untied = 0
    for item in result.objects:
        if item.area == 0:
            untied += 1
        _draw_tag(canvas, item, scale, untied)
    return canvas


def _draw_mask(canvas: np.ndarray, item: ObjectResult, scale: float) -> None:
    """Tint the mask and draw its contour; the work is done in the object's box."""
    if item.area == 0:
        return
    x, y, width, height = item.box
    window = np.s_[y : y + height, x : x + width]
    mask = item.mask[window].astype(np.uint8)
    inside = canvas[window]
    color = np.array(object_color(item.id), np.float64)
    tinted = cv2.convertScaleAbs(inside, alpha=1 - _OPACITY)
    tinted = cv2.add(tinted, (*(_OPACITY * color), 0.0))
    cv2.copyTo(tinted, mask, inside)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x, y))
    for line_color, line_width in ((_DARK, 3.0), (object_color(item.id), 1.5)):
        cv2.drawContours(canvas, contours, -1, line_color, round(line_width * scale), cv2.LINE_AA)


def _draw_points(canvas: np.ndarray, item: ObjectResult, scale: float) -> None:
    points = item.points
    radius = 4 * scale
    for xy, label, visible in zip(points.xy, points.label, points.visible):
        if not visible:
            _circle(canvas, xy, radius, _DARK, 3 * scale)
            _circle(canvas, xy, radius, _GREY, 1.5 * scale)
        elif label == POSITIVE:
            _circle(canvas, xy, radius + 1.5 * scale, _DARK)
            _circle(canvas, xy, radius + 0.5 * scale, _WHITE)
            _circle(canvas, xy, radius - 1 * scale, object_color(item.id))
        else:
            _cross(canvas, xy, radius, _DARK, 4 * scale)
            _cross(canvas, xy, radius, object_color(item.id), 2 * scale)


def _circle(canvas: np.ndarray, xy: np.ndarray, radius: float, color: Color, width: float = -1) -> None:
    thickness = -1 if width < 0 else max(1, round(width))
    cv2.circle(canvas, _fixed(xy), round(radius * 2**_SHIFT), color, thickness, cv2.LINE_AA, _SHIFT)


def _cross(canvas: np.ndarray, xy: np.ndarray, radius: float, color: Color, width: float) -> None:
    for slope in ((1, 1), (1, -1)):
        arm = radius * np.array(slope)
        cv2.line(canvas, _fixed(xy - arm), _fixed(xy + arm), color, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _fixed(xy: np.ndarray) -> tuple[int, int]:
    """Pixels as OpenCV's fixed-point coordinates; far outside ones are brought near, where they stay invisible."""
    x, y = np.clip(np.asarray(xy) * 2**_SHIFT, -(2**20), 2**20)
    return round(float(x)), round(float(y))


def _draw_tag(canvas: np.ndarray, item: ObjectResult, scale: float, row: int) -> None:
    """The object's id and score on a small plate above its box; an object without a mask has it in the corner."""
    parts = [str(item.id), *_state_words(item)]
    font, weight = 0.45 * scale, max(1, round(scale))
    widths = [cv2.getTextSize(part, _FONT, font, weight)[0][0] for part in parts]
    gap, pad, height = round(12 * scale), round(6 * scale), round(20 * scale)
    width = sum(widths) + gap * (len(parts) - 1) + 2 * pad
    x, y = _tag_corner(item, canvas.shape, width, height, row)

    color = object_color(item.id) if item.state == ObjectState.TRACKING else _GREY
    cv2.rectangle(canvas, (x, y), (x + width, y + height), _DARK, -1)
    cv2.rectangle(canvas, (x, y), (x + round(3 * scale), y + height), color, -1)
    left, middle = x + pad + round(1.5 * scale), y + height // 2
    for part, part_width in zip(parts, widths):
        if part is not parts[0]:  # a dot between two words: OpenCV's fonts have none
            _circle(canvas, np.array([left - gap / 2, middle]), 1.6 * scale, _GREY)
        baseline = middle + round(10.0 * font)
        cv2.putText(canvas, part, (left, baseline), _FONT, font, _WHITE, weight, cv2.LINE_AA)
        left += part_width + gap


def _state_words(item: ObjectResult) -> list[str]:
    if item.state == ObjectState.LOST:
        return ["LOST"]
    score = f"{item.score:.2f}"
    return [score] if item.state == ObjectState.TRACKING else ["UNCERTAIN", score]


def _tag_corner(item: ObjectResult, shape: tuple[int, ...], width: int, height: int, row: int) -> tuple[int, int]:
    """(x, y) of the tag's upper left corner, inside the image where it fits."""
    if item.area == 0:
        margin = height // 3
        return margin, margin + (row - 1) * (height + margin)
    left, top = item.box[0], item.box[1] - height - 3
    return max(0, min(left, shape[1] - width - 1)), max(0, min(top, shape[0] - height - 1))


def contact_sheet(
    images: Sequence[np.ndarray], columns: int = _COLUMNS, width: int = 1600, captions: Sequence[str] = ()
) -> np.ndarray:
    """Images (H, W, 3) uint8 RGB of one size in rows and columns: a picture (h, `width`, 3).

    captions  a word for the corner of each image
    """
    gap = 4
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tile_width = (width - gap * (columns - 1)) // columns
    tile_height = round(images[0].shape[0] * tile_width / images[0].shape[1])
    sheet = np.full((rows * (tile_height + gap) - gap, width, 3), _WHITE, np.uint8)
    for place, image in enumerate(images):
        tile = cv2.resize(image, (tile_width, tile_height), interpolation=cv2.INTER_AREA)
        if place < len(captions):
            _draw_caption(tile, captions[place])
        y, x = place // columns * (tile_height + gap), place % columns * (tile_width + gap)
        sheet[y : y + tile_height, x : x + tile_width] = tile
    return sheet


def _draw_caption(tile: np.ndarray, caption: str) -> None:
    place = (8, tile.shape[0] - 9)
    for color, weight in ((_DARK, 3), (_WHITE, 1)):
        cv2.putText(tile, caption, place, _FONT, 0.5, color, weight, cv2.LINE_AA)


class ContactSheet:
    """Gathers evenly spaced frames of a stream of unknown length, in bounded memory, for one picture."""

    def __init__(self, count: int = 12, width: int = 1600) -> None:
        self._count, self._width = count, width
        self._stride = 1
        self._kept: list[tuple[int, np.ndarray]] = []

    def add(self, index: int, image: np.ndarray) -> None:
        """Take in frame `index`; image: (H, W, 3) uint8 RGB."""
        if index % self._stride:
            return
        width = min(self._width // _COLUMNS, image.shape[1])
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        self._kept.append((index, cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)))
        if len(self._kept) == 4 * self._count:
            self._kept = self._kept[::2]
            self._stride *= 2

    def image(self) -> np.ndarray:
        """The sheet (h, w, 3) uint8 RGB of at least one frame, each with its number."""
        chosen = np.linspace(0, len(self._kept) - 1, min(self._count, len(self._kept))).round().astype(int)
        frames = [self._kept[place] for place in chosen]
        return contact_sheet([image for _, image in frames], width=self._width, captions=[str(i) for i, _ in frames])
