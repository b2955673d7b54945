"""What the command line, or a prompt file, says of the objects to track."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sampt_ros.data_types import POSITIVE
from sampt_ros.errors import QueryError
from sampt_ros.io.image_files import read_image
from sampt_ros.io.masks import FIRST_OBJECT, read_first_masks, read_mask, read_masks
from sampt_ros.io.query_points import read_query_points
from sampt_ros.streaming.requests import ObjectStart


@dataclass(frozen=True)
class PromptOption:
    """An option that says something of the objects to track.

    name         on the command line behind two dashes, and in prompt files
    form         of its value, for people
    description  for people
    is_path      whether its value is that of a file or folder, perhaps with ",OBJECT" behind it
    """

    name: str
    form: str
    description: str
    is_path: bool = False


START, MASKS = "start", "masks"
PROMPT_OPTIONS = (
    PromptOption("point", "X,Y[,LABEL][,OBJECT]", "LABEL 1: on the object, 0: off it"),
    PromptOption("box", "X_MIN,Y_MIN,X_MAX,Y_MAX[,OBJECT]", "a box around an object"),
    PromptOption(
        "mask",
        "FILE[,OBJECT]",
        "white on the object, or labels, each an object with the label as its number; with OBJECT all is that one",
        is_path=True,
    ),
    PromptOption(
        "reference",
        "IMAGE",
        "a picture of an object, which is then looked for without a click; with --reference-mask",
        is_path=True,
    ),
    PromptOption("reference-mask", "FILE[,OBJECT]", "the object in that picture, as for --mask", is_path=True),
    PromptOption(
        "query-points",
        "FILE",
        "points as SAM-PT's demo reads them: how many are positive, then FRAME;X,Y X,Y ... for each object",
        is_path=True,
    ),
    PromptOption(
        MASKS,
        "FOLDER",
        "masks, as for --mask, with the names of their frames (for a video: numbers, as 00012.png); each object starts "
        "in the first frame that shows it",
        is_path=True,
    ),
    PromptOption(
        START,
        "FRAME",
        "the prompts after this one lie in that frame, counted from 0, and their objects start there (default: 0)",
    ),
)


def starts_in_order(prompts: Sequence[tuple[str, Any]], frame_names: Sequence[str] = ()) -> dict[int, ObjectStart]:
    """What the objects start from, by object id, as the options say it one after the other.

    prompts      name and value of each option: "start" has the number of the frame, from 0, in which all prompts after
                 it lie; the others are "point", "box", "mask", "reference", "reference_mask", "query_points", as
                 `parse_starts` takes them, and "masks", a folder as `read_first_masks` takes it
    frame_names  of the frames, in order, where these are files

    Raises QueryError or SourceError, saying what was expected.
    """
    frame = 0
    given: dict[int, dict[str, list[Any]]] = {}  # By frame and option.
    folders, query_points = [], []
    for option, value in prompts:
        if option == START:
            frame = value
        elif option == MASKS:
            folders.append(Path(value))
        elif option == "query_points":
            query_points.append(Path(value))
        else:
            given.setdefault(frame, {}).setdefault(option, []).append(value)
    starts: dict[int, ObjectStart] = {}
    for start_frame, of in given.items():
        pictures = of.get("reference", []), of.get("reference_mask", [])
        texts = of.get("point", []), of.get("box", []), of.get("mask", [])
        starts = parse_starts(*texts, *pictures, frame=start_frame, also=starts)
    for folder in folders:
        for name, (first, mask) in read_first_masks(folder, frame_names).items():
            _add_mask(starts, name, first, mask)
    # The objects of these files get the numbers that are free, so they come last.
    return parse_starts([], [], [], query_points=query_points, also=starts)


def parse_starts(
    points: Sequence[str],
    boxes: Sequence[str],
    masks: Sequence[str],
    references: Sequence[str] = (),
    reference_masks: Sequence[str] = (),
    query_points: Sequence[Path] = (),
    frame: int = 0,
    also: Mapping[int, ObjectStart] | None = None,
) -> dict[int, ObjectStart]:
    """What the objects start from, by object id; without a number prompts belong to object 1.

    points  "x,y[,label][,object]" with label 1 on the object, 0 off it
    boxes   "x_min,y_min,x_max,y_max[,object]"
    masks   "FILE[,object]"; without an object a label image starts one per label, with the label as its number
    references, reference_masks  pictures, and for each its masks, likewise
    query_points  files as SAM-PT's demo reads them; their objects get the lowest numbers that are free
    frame   number of the frame, from 0, that all prompts lie in, but for query points, whose files say it
    also    what was parsed before

    Raises QueryError or SourceError, saying what was expected.
    """
    starts = dict(also or {})
    for text in points:
        (x, y), (label, name) = _numbers(text, "x,y[,label][,object]", 2, (POSITIVE, FIRST_OBJECT))
        start = _start(starts, name, frame)
        start.points.append((x, y))
        start.labels.append(label)
    for text in boxes:
        corners, (name,) = _numbers(text, "x_min,y_min,x_max,y_max[,object]", 4, (FIRST_OBJECT,))
        start = _start(starts, name, frame)
        _require_unset(start.box, "box", name)
        start.box = corners
    for text in masks:
        for name, mask in _read_masks(text):
            _add_mask(starts, name, frame, mask)
    if len(references) != len(reference_masks):
        raise QueryError(
            f"expected a --reference-mask for each --reference; got {len(reference_masks)} for {len(references)}"
        )
    for picture, text in zip(references, reference_masks):
        image = read_image(Path(picture))
        for name, mask in _read_masks(text):
            _add_mask(starts, name, frame, mask)
            starts[name].reference = image
    for path in query_points:
        _add_query_points(starts, path)
    if not starts:
        raise QueryError("expected what to track: at least one --point, --box, --mask, --reference or --query-points")
    return starts


def _add_query_points(starts: dict[int, ObjectStart], path: Path) -> None:
    for line in read_query_points(path):
        name = next(number for number in itertools.count(FIRST_OBJECT) if number not in starts)
        points = [(float(x), float(y)) for x, y in line.xy]
        starts[name] = ObjectStart(points, [int(label) for label in line.labels], frame=line.frame)


def _start(starts: dict[int, ObjectStart], name: int, frame: int) -> ObjectStart:
    """The start of an object, whose prompts must all lie in one frame."""
    start = starts.setdefault(name, ObjectStart(frame=frame))
    if start.frame != frame:
        raise QueryError(
            f"expected all prompts of object {name} in one frame; got some in {start.frame} and in {frame}; "
            "to start another object give it another number, as in --point X,Y,1,2"
        )
    return start


def _add_mask(starts: dict[int, ObjectStart], name: int, frame: int, mask: np.ndarray) -> None:
    start = _start(starts, name, frame)
    _require_unset(start.mask, "mask", name)
    start.mask = mask


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
