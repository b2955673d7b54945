"""What the command line says of the objects to track."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sampt_ros.data_types import POSITIVE
from sampt_ros.errors import QueryError
from sampt_ros.io.masks import FIRST_OBJECT, read_mask, read_masks
from sampt_ros.io.query_points import read_query_points
from sampt_ros.io.video import read_image
from sampt_ros.streaming.requests import ObjectStart


def parse_starts(
    points: Sequence[str],
    boxes: Sequence[str],
    masks: Sequence[str],
    references: Sequence[str] = (),
    reference_masks: Sequence[str] = (),
    query_points: Sequence[Path] = (),
) -> dict[int, ObjectStart]:
    """What the objects start from, by object id; without a number prompts belong to object 1.

    points  "x,y[,label][,object]" with label 1 on the object, 0 off it
    boxes   "x_min,y_min,x_max,y_max[,object]"
    masks   "FILE[,object]"; without an object a label image starts one per label, with the label as its number
    references, reference_masks  pictures, and for each its masks, likewise
    query_points  files as SAM-PT's demo reads them; their objects get the lowest numbers that are free

    Raises QueryError or SourceError, saying what was expected.
    """
    starts: dict[int, ObjectStart] = {}
    for text in points:
        (x, y), (label, name) = _numbers(text, "x,y[,label][,object]", 2, (POSITIVE, FIRST_OBJECT))
        start = starts.setdefault(name, ObjectStart())
        start.points.append((x, y))
        start.labels.append(label)
    for text in boxes:
        corners, (name,) = _numbers(text, "x_min,y_min,x_max,y_max[,object]", 4, (FIRST_OBJECT,))
        start = starts.setdefault(name, ObjectStart())
        _require_unset(start.box, "box", name)
        start.box = corners
    for text in masks:
        for name, mask in _read_masks(text):
            start = starts.setdefault(name, ObjectStart())
            _require_unset(start.mask, "mask", name)
            start.mask = mask
    if len(references) != len(reference_masks):
        raise QueryError(
            f"expected a --reference-mask for each --reference; got {len(reference_masks)} for {len(references)}"
        )
    for picture, text in zip(references, reference_masks):
        image = read_image(Path(picture))
        for name, mask in _read_masks(text):
            start = starts.setdefault(name, ObjectStart())
            _require_unset(start.mask, "mask", name)
            start.mask, start.reference = mask, image
    for path in query_points:
        _add_query_points(starts, path)
    if not starts:
        raise QueryError("expected what to track: at least one --point, --box, --mask, --reference or --query-points")
    return starts


def _add_query_points(starts: dict[int, ObjectStart], path: Path) -> None:
    for line in read_query_points(path):
        if line.frame != 0:
            raise QueryError(f"expected objects that start in frame 0 in {path}; got one that starts in {line.frame}")
        name = next(number for number in itertools.count(FIRST_OBJECT) if number not in starts)
        points = [(float(x), float(y)) for x, y in line.xy]
        starts[name] = ObjectStart(points, [int(label) for label in line.labels])


def _numbers(text: str, form: str, count: int, defaults: tuple[int, ...]) -> tuple[list[float], list[int]]:
    """The first `count` numbers of a list with commas, and the whole numbers after them, or their defaults."""
    parts = text.split(",")
    try:
        coordinates = [float(part) for part in parts[:count]]
        rest = [int(part) for part in parts[count:]]
    except ValueError:
        coordinates, rest = [], []
    if len(coordinates) < count or len(rest) > len(defaults):
        raise QueryError(f"expected {form}; got {text!r}")
    return coordinates, [*rest, *defaults[len(rest) :]]


def _require_unset(value: object, kind: str, object_id: int) -> None:
    if value is not None:
        raise QueryError(f"expected one {kind} per object; got a second one for object {object_id}")


def _read_masks(text: str) -> list[tuple[int, np.ndarray]]:
    """The (object id, mask (H, W) bool) pairs that "FILE[,object]" names."""
    name, _, number = text.rpartition(",")
    if name and number.isdigit() and not Path(text).is_file():
        return [(int(number), read_mask(Path(name)))]
    return list(read_masks(Path(text)).items())
