"""Reads files of query points in the format of SAM-PT's demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.errors import SourceError
from sampt_ros.weights import git_lfs

_FORM = "the number of positive points in the first line, then an object a line: FRAME;X,Y X,Y ..."


@dataclass(frozen=True, eq=False)
class QueryLine:
    """The points of one object.

    frame   number of their frame, from 0
    xy      (n, 2) float32 pixels
    labels  (n,) uint8: POSITIVE, then NEGATIVE
    """

    frame: int
    xy: np.ndarray
    labels: np.ndarray


def read_query_points(path: Path) -> list[QueryLine]:
    """Read the objects of a file of query points, in order.

    The first line is the number of positive points; every other line is an object: the frame, a semicolon, and points
    "x,y" separated by spaces, the positive ones first, the rest negative. Empty lines are ignored. Raises SourceError,
    with the line, for any other content.
    """
    try:
        content = path.read_text("utf-8-sig")  # A pipe can be read only once.
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
    if git_lfs.is_pointer(content.encode()):
        raise SourceError(f"cannot read {path}: {git_lfs.POINTER}")
    lines = content.splitlines()
    texts = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not texts or not texts[0][1].isdecimal() or int(texts[0][1]) == 0:
        first = texts[0][1][:40] if texts else ""
        raise SourceError(f"expected query points in {path}: {_FORM}; its first line is {first!r}")
    if len(texts) < 2:
        raise SourceError(f"expected query points in {path}: {_FORM}; got no object")
    positive = int(texts[0][1])
    return [_line(text, positive, f"{path}, line {number}") for number, text in texts[1:]]


def _line(text: str, positive: int, where: str) -> QueryLine:
    frame, _, points = text.partition(";")
    try:
        index = int(frame)
        xy = np.array([[float(value) for value in point.split(",")] for point in points.split()], np.float32)
    except ValueError:
        index, xy = -1, np.zeros((0, 2), np.float32)
    if index < 0 or xy.ndim != 2 or xy.shape[1] != 2 or not np.isfinite(xy).all():
        raise SourceError(f"expected FRAME;X,Y X,Y ... in {where}; got {text!r}")
    if len(xy) < positive:
        raise SourceError(f"expected at least {positive} points, as the first line says, in {where}; got {len(xy)}")
    labels = np.full(len(xy), NEGATIVE, np.uint8)
    labels[:positive] = POSITIVE
    return QueryLine(index, xy, labels)
