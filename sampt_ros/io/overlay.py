"""Draws masks, points and tags over the camera's image, and makes contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sampt_ros.data_types import POSITIVE, FrameResult, ObjectResult, ObjectState
from sampt_ros.io.label_images import Color, object_color

_OPACITY = 0.5  # Of the masks' tint.
_DARK: Color = (24, 24, 24)
_WHITE: Color = (255, 255, 255)
_GREY: Color = (170, 170, 170)
_AMBER: Color = (255, 190, 90)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_COLUMNS = 4  # Of contact sheets.
_SHIFT = 4  # Fractional bits of coordinates: OpenCV draws to a sixteenth of a pixel.

Box = tuple[int, int, int, int]  # x, y, width, height


def draw(image: np.ndarray, result: FrameResult) -> np.ndarray:
    """A copy of `image` (H, W, 3) uint8 RGB with the result of its frame drawn on it.

    Masks are tinted and outlined in the object's colour. Filled circles are positive points, crosses negative points,
    and hollow grey circles points that are not visible. A tag shows the object's id and score; it is in the corner if
    nothing of the object is visible.
    """
    canvas = image.copy()
    scale = max(1.0, min(result.size) / 480)
    for obj in result.objects:
        if obj.area:
            _draw_mask(canvas, obj, scale)
    for obj in result.objects:
        _draw_points(canvas, obj, scale)
    tags_in_corner = 0
    for obj in result.objects:
        anchor = _anchor(obj)
        _draw_tag(canvas, obj, anchor, tags_in_corner, scale)
        tags_in_corner += anchor is None
    return canvas


def _draw_mask(canvas: np.ndarray, obj: ObjectResult, scale: float) -> None:
    """Tint a mask and draw its contour, working in the object's box alone."""
    x, y, width, height = obj.box
    window = np.s_[y : y + height, x : x + width]
    mask, inside, color = obj.local_mask.within_bounds.view(np.uint8), canvas[window], object_color(obj.id)
    gray = cv2.cvtColor(inside, cv2.COLOR_RGB2GRAY)  # Without colour, so that the tint has one hue everywhere.
    shades = (np.arange(256)[:, None] * (1 - _OPACITY) + np.array(color) * _OPACITY).astype(np.uint8)
    cv2.copyTo(cv2.LUT(cv2.merge([gray] * 3), shades.reshape(1, 256, 3)), mask, inside)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=(x, y))
    for line_color, line_width in ((_DARK, 3.0), (color, 1.5)):
        cv2.drawContours(canvas, contours, -1, line_color, round(line_width * scale), cv2.LINE_AA)


def _draw_points(canvas: np.ndarray, obj: ObjectResult, scale: float) -> None:
    points = obj.points
    radius = 4 * scale
    for xy, label, visible in zip(points.xy, points.label, points.visible):
        if not visible:
            _circle(canvas, xy, radius + 0.5 * scale, _DARK, 3 * scale)
            _circle(canvas, xy, radius + 0.5 * scale, _GREY, 1.4 * scale)
        elif label == POSITIVE:
            _circle(canvas, xy, radius + 1.5 * scale, _DARK)
            _circle(canvas, xy, radius + 0.5 * scale, _WHITE)
            _circle(canvas, xy, radius - 1 * scale, object_color(obj.id))
        else:
            _cross(canvas, xy, radius, _DARK, 4 * scale)
            _cross(canvas, xy, radius, object_color(obj.id), 2 * scale)


def _circle(canvas: np.ndarray, xy: np.ndarray, radius: float, color: Color, width: float = -1) -> None:
    thickness = -1 if width < 0 else max(1, round(width))
    cv2.circle(canvas, _fixed(xy), round(radius * 2**_SHIFT), color, thickness, cv2.LINE_AA, _SHIFT)


def _cross(canvas: np.ndarray, xy: np.ndarray, radius: float, color: Color, width: float) -> None:
    for slope in ((1, 1), (1, -1)):
        arm = radius * np.array(slope)
        cv2.line(canvas, _fixed(xy - arm), _fixed(xy + arm), color, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def _fixed(xy: np.ndarray) -> tuple[int, int]:
    """Pixels as OpenCV's fixed-point coordinates, limited to its range, which reaches far beyond any image."""
    x, y = np.clip(np.asarray(xy) * 2**_SHIFT, -(2**20), 2**20)
    return round(float(x)), round(float(y))


def _anchor(obj: ObjectResult) -> Box | None:
    """The box (x, y, width, height) of the mask, or else of the visible points, which a tag is placed at; or None."""
    if obj.area:
        return obj.box
    visible = obj.points.visible_xy(POSITIVE)
    if len(visible) == 0:
        return None
    (left, top), (right, bottom) = visible.min(axis=0), visible.max(axis=0)
    return int(left), int(top), int(right - left), int(bottom - top)


def _draw_tag(canvas: np.ndarray, obj: ObjectResult, anchor: Box | None, row: int, scale: float) -> None:
    """Draw the object's id, state and score above its anchor, or as row `row` in the corner."""
    words = [str(obj.id), *_state_words(obj)]
    font, weight = 0.45 * scale, max(1, round(scale))
    widths = [cv2.getTextSize(word, _FONT, font, weight)[0][0] for word in words]
    gap, pad, height = round(13 * scale), round(6 * scale), round(20 * scale)
    size = sum(widths) + gap * (len(words) - 1) + 2 * pad + round(3 * scale), height
    x, y = _tag_corner(anchor, (canvas.shape[1], canvas.shape[0]), size, row)

    cv2.rectangle(canvas, (x, y), (x + size[0], y + height), _DARK, -1)
    cv2.rectangle(canvas, (x, y), (x + round(3 * scale), y + height), object_color(obj.id), -1)
    left, middle = x + pad + round(3 * scale), y + height // 2
    for word, word_width in zip(words, widths):
        if word is not words[0]:  # A dot between two words, which OpenCV's fonts do not have.
            _circle(canvas, np.array([left - gap / 2, middle]), 2 * scale, _GREY)
        color = _WHITE if obj.state.has_mask else _AMBER
        cv2.putText(canvas, word, (left, middle + round(10 * font)), _FONT, font, color, weight, cv2.LINE_AA)
        left += word_width + gap


def _state_words(obj: ObjectResult) -> list[str]:
    if obj.state == ObjectState.LOST:
        return ["LOST"]
    score = f"{obj.score:.2f}"
    return [score] if obj.state.has_mask else ["UNCERTAIN", score]


def _tag_corner(anchor: Box | None, image: tuple[int, int], tag: tuple[int, int], row: int) -> tuple[int, int]:
    """(x, y) of a tag's upper left corner: above the anchor, or below it where there is no room.

    image, tag: (width, height), pixels; row: of a tag in the corner of the image, which has no anchor
    """
    gap = tag[1] // 4
    if anchor is None:
        return gap, gap + row * (tag[1] + gap)
    left, top, _, height = anchor
    above, below = top - tag[1] - gap, top + height + gap
    y = above if above >= 0 or below + tag[1] > image[1] else below
    return max(0, min(left, image[0] - tag[0] - 1)), max(0, min(y, image[1] - tag[1] - 1))


def contact_sheet(
    images: Sequence[np.ndarray], columns: int = _COLUMNS, width: int = 1920, captions: Sequence[str] = ()
) -> np.ndarray:
    """Images (H, W, 3) uint8 RGB of one size in rows and columns, as one image (h, width, 3).

    columns   at most
    width     of the sheet, pixels
    captions  a word for the corner of each image
    """
    gap = 4
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    tile_width = (width - gap * (columns - 1)) // columns
    tile_height = max(1, round(images[0].shape[0] * tile_width / images[0].shape[1]))
    sheet = np.full((rows * (tile_height + gap) - gap, width, 3), _WHITE, np.uint8)
    for number, image in enumerate(images):
        tile = cv2.resize(image, (tile_width, tile_height), interpolation=cv2.INTER_AREA)
        if number < len(captions):
            _draw_caption(tile, captions[number])
        y, x = number // columns * (tile_height + gap), number % columns * (tile_width + gap)
        sheet[y : y + tile_height, x : x + tile_width] = tile
    return sheet


def _draw_caption(tile: np.ndarray, caption: str) -> None:
    width = cv2.getTextSize(caption, _FONT, 0.45, 1)[0][0]
    bottom = tile.shape[0]
    cv2.rectangle(tile, (0, bottom - 20), (width + 12, bottom), _DARK, -1)
    cv2.putText(tile, caption, (6, bottom - 6), _FONT, 0.45, _WHITE, 1, cv2.LINE_AA)


class ContactSheet:
    """Collects evenly spaced frames of a stream of unknown length, in bounded memory, for a contact sheet."""

    def __init__(self, count: int = 12, width: int = 1920) -> None:
        self._count, self._width = count, width
        self._stride = 1
        self._kept: list[tuple[str, np.ndarray]] = []

    def add(self, index: int, image: np.ndarray, caption: str = "") -> None:
        """Add the image (H, W, 3) uint8 RGB of frame `index`; caption: text in its corner (default: the index)."""
        if index % self._stride:
            return
        width = min(self._width // _COLUMNS, image.shape[1])
        height = max(1, round(image.shape[0] * width / image.shape[1]))
        self._kept.append((caption or str(index), cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)))
        if len(self._kept) == 8 * self._count:
            self._kept = self._kept[::2]
            self._stride *= 2

    def image(self) -> np.ndarray:
        """The sheet (h, w, 3) uint8 RGB of at least one frame, each with its caption."""
        chosen = np.linspace(0, len(self._kept) - 1, min(self._count, len(self._kept))).round().astype(int)
        frames = [self._kept[number] for number in chosen]
        return contact_sheet(
            [image for _, image in frames], width=self._width, captions=[caption for caption, _ in frames]
        )
