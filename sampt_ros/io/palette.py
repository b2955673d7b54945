"""One colour per object, the same in every picture, after the palette of Okabe and Ito for all kinds of vision."""

from __future__ import annotations

Color = tuple[int, int, int]  # RGB, 0..255

_COLORS: tuple[Color, ...] = (
    (0, 158, 255),  # sky blue, a little stronger than in the palette so that it shows against a bright scene
    (230, 120, 0),  # orange
    (0, 190, 130),  # bluish green
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (213, 70, 30),  # vermilion
    (40, 90, 200),  # blue
)

COUNT = len(_COLORS)  # different ones


def object_color(object_id: int) -> Color:
    """The RGB colour, 0..255, of the object with an id from 1 on; after the last colour comes the first again."""
    return _COLORS[(object_id - 1) % len(_COLORS)]
