"""One colour per object, the same in every picture, after the colour-blind-friendly palette of Okabe and Ito."""

from __future__ import annotations

Color = tuple[int, int, int]  # RGB, 0..255

_COLORS: tuple[Color, ...] = (
    (0, 158, 255),  # sky blue, a little stronger than theirs so that it holds against a bright scene
    (230, 120, 0),  # orange
    (0, 190, 130),  # bluish green
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (213, 70, 30),  # vermilion
    (40, 90, 200),  # blue
)

COUNT = len(_COLORS)  # different ones


def object_color(object_id: int) -> Color:
    """The RGB colour of an object, ids from 1; after the last colour the first comes again."""
    return _COLORS[(object_id - 1) % len(_COLORS)]
