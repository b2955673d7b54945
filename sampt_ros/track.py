"""Tracking a whole video or camera: what starts the objects, the stream, and the files that come out."""

from __future__ import annotations

import csv
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import cv2
import numpy as np

from sampt_ros.errors import OutOfMemoryError, QueryError, SourceError
from sampt_ros.label_images import read_labels, write_labels
from sampt_ros.overlay import ContactSheet, draw
from sampt_ros.sam_pt import SamPt
from sampt_ros.structures import POSITIVE, FrameResult, ObjectResult, Points
from sampt_ros.video import read_image, write_image

_log = logging.getLogger(__name__)

_FIRST_OBJECT = 1  # the object that prompts without a number belong to


@dataclass
class ObjectStart:
    """What one object starts from, as SamPt.add_object takes it; with a reference picture the mask lies on that one."""

    points: list[tuple[float, float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    box: list[float] | None = None
    mask: np.ndarray | None = None
    reference: np.ndarray | None = None

    def begin(self, sam_pt: SamPt, object_id: int) -> ObjectResult:
        """Start the object on the newest frame, or look for it from now on; raises QueryError."""
        if self.reference is None or self.mask is None:
            return sam_pt.add_object(self.points, self.labels, self.box, self.mask, object_id)
        if self.points or self.box is not None:
            raise QueryError(f"expected object {object_id} from a reference picture or from prompts; got both")
        return sam_pt.add_reference(self.reference, self.mask, object_id)


def parse_starts(
    points: Sequence[str],
    boxes: Sequence[str],
    masks: Sequence[str],
    references: Sequence[str] = (),
    reference_masks: Sequence[str] = (),
) -> dict[int, ObjectStart]:
    """What the objects start from, by object id; without a number prompts belong to object 1.

    points  "x,y[,label][,object]" with label 1 on the object, 0 off it
    boxes   "x_min,y_min,x_max,y_max[,object]"
    masks   "FILE[,object]"; a file with several labels and no object starts one object per label
    references, reference_masks  pictures, and for each its masks, likewise

    Raises QueryError or SourceError, saying what was expected.
    """
    starts: dict[int, ObjectStart] = {}
    for text in points:
        (x, y), (label, name) = _numbers(text, "x,y[,label][,object]", 2, (POSITIVE, _FIRST_OBJECT))
        start = starts.setdefault(name, ObjectStart())
        start.points.append((x, y))
        start.labels.append(label)
    for text in boxes:
        corners, (name,) = _numbers(text, "x_min,y_min,x_max,y_max[,object]", 4, (_FIRST_OBJECT,))
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
    if not starts:
        raise QueryError("expected what to track: at least one --point, --box, --mask or --reference")
    return starts


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
        return [(int(number), read_labels(Path(name)) > 0)]
    labels = read_labels(Path(text))
    ids = [int(label) for label in np.unique(labels) if label]
    if len(ids) <= 1:
        return [(_FIRST_OBJECT, labels > 0)]
    return [(label, labels == label) for label in ids]


def track(
    sam_pt: SamPt, images: Iterable[np.ndarray], starts: dict[int, ObjectStart]
) -> Iterator[tuple[np.ndarray, FrameResult]]:
    """Start objects on the first image and follow them: yields every image (H, W, 3) uint8 RGB and its result.

    A frame that memory did not suffice for has no objects. Raises QueryError if an object cannot be started, FrameError
    for an image of another size.
    """
    for number, image in enumerate(images):
        try:
            result = replace(sam_pt.step(image), index=number)
        except OutOfMemoryError as error:
            _log.warning("frame %d has no masks: %s", number, error)
            result = FrameResult(number, image.shape[:2])
        if number == 0:
            started = [start.begin(sam_pt, name) for name, start in starts.items()]
            result = replace(result, objects=tuple(started))
        yield image, result


class Recorder:
    """Writes every frame's result to a folder; what is written when tracking stops early is usable.

        with Recorder(folder, fps) as recorder:
            for image, result in track(...):
                recorder.add(image, result)

    labels/00000.png    object id per pixel: with a palette, or 16 bits where an id is over 255
    tracks.csv          frame, object, point, x, y (pixels), label (1 on the object, 0 off it), visible, confidence
    objects.csv         frame, object, state, score, area, x, y, width, height (pixels)
    overlay.mp4         what `overlay.draw` shows
    contact_sheet.png   12 frames of it

    Nothing is touched before the first frame; then the files of an earlier run are replaced.
    """

    TRACKS = ("frame", "object", "point", "x", "y", "label", "visible", "confidence")
    OBJECTS = ("frame", "object", "state", "score", "area", "x", "y", "width", "height")

    def __init__(self, folder: Path, fps: float) -> None:
        self.folder = folder
        self.frames = 0
        self.seconds = 0.0  # spent on tracking
        self.masks: Counter[int] = Counter()  # frames in which each object has a mask
        self._fps = fps
        self._sheet = ContactSheet()
        self._files: list[TextIO] = []
        self._video: Any = None

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, image: np.ndarray, result: FrameResult) -> None:
        """Write one frame; image: (H, W, 3) uint8 RGB. Raises SourceError where the folder cannot be written."""
        if self._video is None:
            self._open(result.size)
        fits = max((item.id for item in result.objects), default=0) <= 255
        labels = result.labels.astype(np.uint8) if fits else result.labels
        write_labels(self.folder / f"labels/{result.index:05d}.png", labels)
        for item in result.objects:
            self._tracks.writerows(_track_rows(result.index, item.id, item.points))
            state = (item.state.name, f"{item.score:.4f}")
            self._objects.writerow((result.index, item.id, *state, item.area, *item.box))
            self.masks[item.id] += item.area > 0
        drawn = draw(image, result)
        self._video.write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        self._sheet.add(result.index, drawn)
        self.frames += 1
        self.seconds += sum(result.stages.values()) / 1000

    def close(self) -> None:
        """Finish the files; the contact sheet is written now."""
        if self._video is not None:
            self._video.release()
        for file in self._files:
            file.close()
        if self.frames:
            write_image(self.folder / "contact_sheet.png", self._sheet.image())

    def _open(self, size: tuple[int, int]) -> None:
        height, width = size
        try:
            (self.folder / "labels").mkdir(parents=True, exist_ok=True)
            for old in self.folder.glob("labels/[0-9][0-9][0-9][0-9][0-9].png"):
                old.unlink()
            self._tracks = self._csv("tracks.csv", self.TRACKS)
            self._objects = self._csv("objects.csv", self.OBJECTS)
        except OSError as error:
            raise SourceError(f"cannot write to {self.folder}: {error.strerror}") from None
        video = self.folder / "overlay.mp4"
        self._video = cv2.VideoWriter(str(video), cv2.VideoWriter_fourcc(*"mp4v"), self._fps, (width, height))
        if not self._video.isOpened():
            raise SourceError(f"cannot write {video}: this OpenCV has no MPEG-4 encoder for {width}x{height}")

    def _csv(self, name: str, header: Sequence[str]) -> Any:
        file = (self.folder / name).open("w", newline="")
        self._files.append(file)
        writer = csv.writer(file)
        writer.writerow(header)
        return writer


def _track_rows(frame: int, object_id: int, points: Points) -> Iterator[tuple[Any, ...]]:
    for point, (x, y), label, visible, confidence in zip(
        points.id, points.xy, points.label, points.visible, points.confidence
    ):
        yield frame, object_id, point, f"{x:.2f}", f"{y:.2f}", label, int(visible), f"{confidence:.3f}"
