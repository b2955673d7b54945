"""Parses the prompts on the command line, or in a prompt file: the objects to track, and what each starts from."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sampt_ros.data_types import POSITIVE
from sampt_ros.errors import QueryError, SourceError
from sampt_ros.fleet.remote_files import is_remote
from sampt_ros.io.image_files import read_image
from sampt_ros.io.masks import FIRST_OBJECT, read_first_masks, read_mask, read_masks
from sampt_ros.io.query_points import read_query_points
from sampt_ros.streaming.requests import ObjectStart


@dataclass(frozen=True)
class PromptOption:
    """An option that describes objects to track.

    name         its name in prompt files, and on the command line after two dashes
    metavar      the form of its value, for the help text
    description  the help text
    is_path      whether its value is a file or folder, possibly followed by ",OBJECT"
    """

    name: str
    metavar: str
    description: str
    is_path: bool = False


START, MASKS = "start", "masks"
PROMPT_OPTIONS = (
    PromptOption("point", "X,Y[,LABEL][,OBJECT]", "LABEL 1: on the object, 0: off it"),
    PromptOption("box", "X_MIN,Y_MIN,X_MAX,Y_MAX[,OBJECT]", "a box around an object"),
    PromptOption(
        "mask",
        "FILE[,OBJECT]",
        "white on the object, or a label image: each label is an object of that number; with OBJECT all are one",
        is_path=True,
    ),
    PromptOption(
        "reference",
        "IMAGE",
        "a picture of an object to search for, instead of a click; with --reference-mask",
        is_path=True,
    ),
    PromptOption("reference-mask", "FILE[,OBJECT]", "the object in that picture, as for --mask", is_path=True),
    PromptOption(
        "query-points",
        "FILE",
        "points in the format of SAM-PT's demo: number of positive points, then FRAME;X,Y X,Y ... for each object",
        is_path=True,
    ),
    PromptOption(
        MASKS,
        "FOLDER",
        "masks, as for --mask, named like their frames (for a video: by number, as 00012.png); each object starts in "
        "the first frame that shows it",
        is_path=True,
    ),
    PromptOption(
        START,
        "FRAME",
        "the prompts that follow are for this frame, counted from 0, and their objects start there (default: 0)",
    ),
)
PATH_OPTIONS = {option.name for option in PROMPT_OPTIONS if option.is_path}


def prompt_files(prompts: Sequence[tuple[str, Any]]) -> list[tuple[str, Path]]:
    """Option and path of all files and folders that prompts name, as for `starts_in_order`."""
    given = [(name.replace("_", "-"), value) for name, value in prompts]
    return [(f"--{option}", path_and_object(value)[0]) for option, value in given if option in PATH_OPTIONS]


def require_meant(prompts: Sequence[tuple[str, Any]]) -> None:
    """Raise QueryError or SourceError for prompts that cannot be meant, as far as no image has to be read to tell.

    prompts  as for `starts_in_order`; it would raise these errors, too, but reads images. Files and folders may be
             addresses, which are counted but not looked up
    """
    for option, path in prompt_files([(option, value) for option, value in prompts if not is_remote(str(value))]):
        require_kind(option, path, is_folder=option == f"--{MASKS}")
    frame, texts = 0, []
    pictures: dict[int, dict[str, int]] = {}  # How many there are of each option, by frame.
    for option, value in prompts:
        if option == START:
            frame = value
        if option in ("reference", "reference_mask"):
            counts = pictures.setdefault(frame, {"reference": 0, "reference_mask": 0})
            counts[option] += 1
        elif option in (START, "point", "box") or (option == "query_points" and not is_remote(str(value))):
            texts.append((option, value))
    for counts in pictures.values():
        _require_pairs(counts["reference"], counts["reference_mask"])
    if any(option != START for option, _ in texts):
        starts_in_order(texts)


def require_kind(option: str, path: Path, is_folder: bool) -> None:
    """Raise SourceError if a path that an option gives is not a folder, or not a file."""
    if not (path.is_dir() if is_folder else path.is_file()):
        kind = "folder" if is_folder else "file"
        got = "is a pipe" if path.is_fifo() else "is none" if path.exists() else "does not exist"
        raise SourceError(f"{option}: expected a {kind}; {path} {got}")


def starts_in_order(prompts: Sequence[tuple[str, Any]], frame_names: Sequence[str] = ()) -> dict[int, ObjectStart]:
    """Parse prompts in the order given; returns what each object starts from, by object id.

    prompts      name and value of each option: "start" is the number, from 0, of the frame that all prompts after it
                 belong to; the others are "point", "box", "mask", "reference", "reference_mask" and "query_points", as
                 for `parse_starts`, and "masks", a folder as for `read_first_masks`
    frame_names  names of the frames, in order, if these are files

    Raises QueryError or SourceError, saying what was expected.
    """
    if len(prompts) > 1 and prompts[-1][0] == START:
        raise QueryError(f"expected the prompts that --start {prompts[-1][1]} holds for after it; got none")
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
    for start_frame, texts in given.items():
        starts = parse_starts(
            texts.get("point", []),
            texts.get("box", []),
            texts.get("mask", []),
            texts.get("reference", []),
            texts.get("reference_mask", []),
            frame=start_frame,
            also=starts,
        )
    for folder in folders:
        for object_id, (first, mask) in read_first_masks(folder, frame_names).items():
            _add_mask(starts, object_id, first, mask)
    # The objects of these files get free ids, so they come last.
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
    """Parse prompts of one frame; returns what each object starts from, by object id.

    points  "x,y[,label][,object]", with label 1 on the object, 0 off it; object 1 if none is given
    boxes   "x_min,y_min,x_max,y_max[,object]"
    masks   "FILE[,object]"; without an object, each label of a label image starts the object of that number
    references, reference_masks  pictures, and for each of them its masks, in the same form
    query_points  files in the format of SAM-PT's demo; their objects get the lowest free ids
    frame   number of the frame, from 0, that the prompts belong to; files of query points give their own
    also    what was parsed before, which the result includes

    Raises QueryError or SourceError, saying what was expected.
    """
    starts = dict(also or {})
    for text in points:
        (x, y), (label, object_id) = _numbers(text, "x,y[,label][,object]", 2, (POSITIVE, FIRST_OBJECT))
        start = _start(starts, object_id, frame)
        start.points.append((x, y))
        start.labels.append(label)
    for text in boxes:
        corners, (object_id,) = _numbers(text, "x_min,y_min,x_max,y_max[,object]", 4, (FIRST_OBJECT,))
        start = _start(starts, object_id, frame)
        _require_unset(start.box, "box", object_id)
        start.box = corners
    for text in masks:
        for object_id, mask in _read_masks(text):
            _add_mask(starts, object_id, frame, mask)
    _require_pairs(len(references), len(reference_masks))
    for picture, text in zip(references, reference_masks):
        image = read_image(Path(picture))
        for object_id, mask in _read_masks(text):
            _add_mask(starts, object_id, frame, mask)
            starts[object_id].reference = image
    for path in query_points:
        _add_query_points(starts, path)
    if not starts:
        raise QueryError("expected what to track: at least one --point, --box, --mask, --reference or --query-points")
    return starts


def _add_query_points(starts: dict[int, ObjectStart], path: Path) -> None:
    for line in read_query_points(path):
        object_id = next(number for number in itertools.count(FIRST_OBJECT) if number not in starts)
        points = [(float(x), float(y)) for x, y in line.xy]
        starts[object_id] = ObjectStart(points, [int(label) for label in line.labels], frame=line.frame)


def _require_pairs(references: int, masks: int) -> None:
    if references != masks:
        raise QueryError(f"expected a --reference-mask for each --reference; got {masks} for {references}")


def _start(starts: dict[int, ObjectStart], object_id: int, frame: int) -> ObjectStart:
    """The start of an object; raises QueryError if its earlier prompts belong to another frame."""
    start = starts.setdefault(object_id, ObjectStart(frame=frame))
    if start.frame != frame:
        raise QueryError(
            f"expected all prompts of object {object_id} in one frame; got some in {start.frame} and in {frame}; "
            "to start another object give it another number, as in --point X,Y,1,2"
        )
    return start


def _add_mask(starts: dict[int, ObjectStart], object_id: int, frame: int, mask: np.ndarray) -> None:
    start = _start(starts, object_id, frame)
    _require_unset(start.mask, "mask", object_id)
    start.mask = mask


def _numbers(text: str, form: str, count: int, defaults: tuple[int, ...]) -> tuple[list[float], list[int]]:
    """The first `count` numbers of a comma-separated list, and the integers after them, or their defaults."""
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
    path, object_id = path_and_object(text)
    return list(read_masks(path).items()) if object_id is None else [(object_id, read_mask(path))]


def path_and_object(text: str) -> tuple[Path, int | None]:
    """The parts of "FILE[,object]"; a file whose own name ends so is taken as a whole."""
    name, _, number = text.rpartition(",")
    if name and number.isdecimal() and not Path(text).exists():
        return Path(name), int(number)
    return Path(text), None
