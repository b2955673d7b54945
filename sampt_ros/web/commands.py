"""What a page asks for, checked: nothing in it is believed."""

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
_FARTHEST = 1e6  # Pixels.


def request_from_page(command: Mapping[str, Any]) -> Request:
    """The request in a command `points`, `box` or `remove`; raises QueryError, saying what was expected and what came.

    object  0: a new one; points extend a tracked object, and a box takes its place
    stamp   nanoseconds, as text; of the image that was looked at
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
    """The object that a command names; raises QueryError."""
    value = command.get("object", 0)
    if type(value) is not int or not lowest <= value <= HIGHEST_ID:
        raise QueryError(f"object: expected a number from {lowest} to {HIGHEST_ID}; got {_shown(value)}")
    return value


def object_name(command: Mapping[str, Any]) -> str:
    """What people want to call an object, as one line without control characters; raises QueryError."""
    value = command.get("name")
    if not isinstance(value, str):
        raise QueryError(f"name: expected text; got {_shown(value)}")
    printable = "".join(letter for letter in value if unicodedata.category(letter)[0] != "C")
    return " ".join(printable.split())[:_LONGEST_NAME]


def is_paused(command: Mapping[str, Any]) -> bool:
    """Whether a command asks for a pause; raises QueryError."""
    value = command.get("paused")
    if not isinstance(value, bool):
        raise QueryError(f"paused: expected true or false; got {_shown(value)}")
    return value


def _stamp(value: Any) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal() or len(value) > 19:
        raise QueryError(f"stamp: expected nanoseconds as text; got {_shown(value)}")
    return int(value)


def _numbers(what: str, values: Any, count: int) -> list[float]:
    """So many numbers, none of them beyond all images."""
    is_list = isinstance(values, list) and len(values) == count
    # NaN is not within these bounds either.
    if not is_list or not all(type(value) in (int, float) and abs(value) <= _FARTHEST for value in values):
        raise QueryError(f"{what}: expected {count} numbers; got {_shown(values)}")
    return [float(value) for value in values]


def _shown(value: Any) -> str:
    """What came, shortened."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
