"""Parses the commands of a page. They may come from anybody, so every value is checked."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.errors import QueryError
from sampt_ros.streaming.requests import Action, Request

HIGHEST_ID = 65535
_MOST_POINTS = 100
_LONGEST_NAME = 40
_FARTHEST = 1e6  # Largest coordinate in pixels, beyond all images.


def request_from_page(command: Mapping[str, Any]) -> Request:
    """The request in a command of type `points`, `box` or `remove`; raises QueryError if a value is wrong.

    object  id of the object, 0 for a new one. Points correct a tracked object, and a box restarts it
    points  rows of x, y and label; x to the right, y down, in pixels of the camera's image
    box     x, y, x, y of two opposite corners, pixels
    stamp   stamp of the image that was clicked, nanoseconds, as text
    """
    kind, name = command.get("type"), object_id(command)
    if kind == "remove":
        return Request(Action.REMOVE, name)
    stamp_ns = _stamp(command.get("stamp"))
    if kind == "box":
        left, top, right, bottom = _numbers("box", command.get("box"), 4)
        box = (min(left, right), min(top, bottom), max(left, right), max(top, bottom))
        return Request(Action.REPLACE if name else Action.ADD, name, box=box, stamp_ns=stamp_ns)
    given = command.get("points")
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_POINTS:
        raise QueryError(f"points: expected a list of 1 to {_MOST_POINTS}; got {_shown(given)}")
    rows = [_numbers("points", point, 3) for point in given]
    labels = [row[2] for row in rows]
    if not set(labels) <= {NEGATIVE, POSITIVE}:
        raise QueryError(f"points: expected the label {POSITIVE} (on the object) or {NEGATIVE} (off it); got {labels}")
    xy = np.array([row[:2] for row in rows], np.float32)
    return Request(Action.ADD, name, xy, np.array(labels, np.uint8), stamp_ns=stamp_ns)


def object_id(command: Mapping[str, Any], lowest: int = 0) -> int:
    """The id of the object in a command, `lowest` to 65535; raises QueryError for anything else."""
    value = command.get("object", 0)
    if type(value) is not int or not lowest <= value <= HIGHEST_ID:
        raise QueryError(f"object: expected a number from {lowest} to {HIGHEST_ID}; got {_shown(value)}")
    return value


def object_name(command: Mapping[str, Any]) -> str:
    """The new name of an object, as one line without control characters; raises QueryError if it is no text."""
    value = command.get("name")
    if not isinstance(value, str):
        raise QueryError(f"name: expected text; got {_shown(value)}")
    printable = "".join(letter for letter in value if unicodedata.category(letter)[0] != "C")
    return " ".join(printable.split())[:_LONGEST_NAME]


def is_paused(command: Mapping[str, Any]) -> bool:
    """Whether a command asks for a pause, not to resume; raises QueryError if it does not say."""
    value = command.get("paused")
    if not isinstance(value, bool):
        raise QueryError(f"paused: expected true or false; got {_shown(value)}")
    return value


def _stamp(value: Any) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal() or len(value) > 19:
        raise QueryError(f"stamp: expected nanoseconds as text; got {_shown(value)}")
    return int(value)


def _numbers(what: str, values: Any, count: int) -> list[float]:
    """A list of `count` numbers within the bounds of coordinates; raises QueryError for anything else."""
    is_list = isinstance(values, list) and len(values) == count
    # NaN is not within these bounds either.
    if not is_list or not all(type(value) in (int, float) and abs(value) <= _FARTHEST for value in values):
        raise QueryError(f"{what}: expected {count} numbers; got {_shown(values)}")
    return [float(value) for value in values]


def _shown(value: Any) -> str:
    """A received value as text, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
