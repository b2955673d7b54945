"""Measures the masks of single pictures after one click, two clicks, and so on.

A folder of stills has a folder for each object, with pictures OBJECT/NN.jpg and their true masks OBJECT/NN_mask.png.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sampt_ros.data_types import FrameResult, LocalMask, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import Annotation, png_files
from sampt_ros.evaluation.masks import Watcher
from sampt_ros.evaluation.metrics import region_similarity, score_correlation
from sampt_ros.evaluation.scores import Column, Score
from sampt_ros.evaluation.simulated_clicks import Click, click_object
from sampt_ros.io.image_files import read_image
from sampt_ros.io.masks import shows_labels
from sampt_ros.io.video import IMAGE_SUFFIXES, image_files
from sampt_ros.tracking.sam_pt import SamPt

DEFAULT_CLICKS = 3
_MASK_SUFFIX = "_mask"  # of a mask's file name, before .png
_OBJECT_ID = 1  # every picture is a separate stream with this single object


@dataclass(frozen=True)
class Stills:
    """The files of one object's pictures, and of the true mask of each."""

    name: str
    pictures: tuple[Path, ...]
    masks: tuple[Path, ...]

    @cached_property
    def shows_labels(self) -> bool:
        """Whether a mask shows labels; of the masks in order, those up to the first that does are read."""
        return shows_labels(self.masks)


def is_stills_folder(folder: Path) -> bool:
    """Whether a folder contains folders with NN_mask.png files, and does not have the DAVIS layout."""
    if (folder / "JPEGImages/480p").is_dir() or not folder.is_dir():
        return False
    return any(name.endswith(_MASK_SUFFIX) for path in _folders(folder) for name in png_files(path))


def stills_objects(folder: Path, names: Sequence[str] = ()) -> list[Stills]:
    """The objects of a folder of stills, sorted by name, or those in `names`, in that order.

    Folders without images are ignored. Raises SourceError if there is no object, a name does not exist, a picture has
    no mask, or a mask has no picture.
    """
    folders = _folders(folder) if folder.is_dir() else []
    there = {path.name: path for path in folders if _has_images(path)}
    if not there:
        raise SourceError(f"expected a folder per object with NN.jpg and NN_mask.png in {str(folder)!r}; got none")
    unknown = [name for name in names if name not in there]
    if unknown:
        raise SourceError(f"unknown objects {', '.join(unknown)}; expected some of {', '.join(there)}")
    return [_stills(there[name]) for name in names or there]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _has_images(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") for path in folder.iterdir())


def _stills(folder: Path) -> Stills:
    files = image_files(folder)
    pictures = [path for path in files if not path.stem.endswith(_MASK_SUFFIX)]
    mask_files = png_files(folder)
    names = [f"{picture.stem}{_MASK_SUFFIX}" for picture in pictures]
    missing = next((name for name in names if name not in mask_files), None)
    if missing is not None:
        raise SourceError(f"expected a mask for every picture; there is no {folder / missing}.png")
    masks = [mask_files[name] for name in names]
    stray = next((path for path in files if path.stem.endswith(_MASK_SUFFIX) and path not in masks), None)
    if stray:
        raise SourceError(f"expected a picture for every mask; there is none for {stray}")
    return Stills(folder.name, tuple(pictures), tuple(masks))


@dataclass(frozen=True)
class StillsScore(Score):
    """The score of one picture, or the mean of several pictures or objects.

    iou       IoU with the true mask, 0..1, after 1, 2, ... clicks; a refused mask counts as empty
    pictures  number of pictures
    ratings   (predicted IoU, true IoU), 0..1 each, after every click that gave a mask
    """

    columns = (
        Column("pictures", "pictures", "{}", "pictures", total=True),
        Column("iou", "IoU@{}", "{:.3f}", "iou"),
        Column("ratings", total=True),
        Column("rating_count", json="ratings"),
        Column("correlation", json="correlation"),
    )

    iou: tuple[float, ...]
    pictures: int
    ratings: tuple[tuple[float, float], ...]

    @property
    def rating_count(self) -> int:
        """The number of clicks that gave a mask."""
        return len(self.ratings)

    @property
    def correlation(self) -> float | None:
        """Pearson's correlation between predicted and true IoU, -1..1, or None if it is undefined."""
        return score_correlation(self.ratings)


def evaluate_stills(
    sam_pt: SamPt, stills: Stills, clicks: int = DEFAULT_CLICKS, watch: Watcher | None = None
) -> StillsScore:
    """Segment every picture of an object separately, from `clicks` clicks (see `click_object`); returns the mean.

    Void pixels of the true masks are not scored.

    watch   called for every picture, with its image (H, W, 3) uint8 RGB and a result with the picture's index, the mask
            after the last click, and the clicks as points

    Raises SourceError for a file that cannot be read, and for a mask that is empty or not of its picture's size.
    """
    scores = []
    for index, (picture, mask) in enumerate(zip(stills.pictures, stills.masks)):
        image = read_image(picture)
        truth, void = _truth(mask, image, stills)
        sam_pt.reset()
        sam_pt.step(image)
        made = click_object(sam_pt, _OBJECT_ID, truth, void, clicks)
        scores.append(_picture_score(truth, void, made, clicks))
        if watch:
            watch(image, _last_result(index, truth, made))
    return StillsScore.mean(scores)


def _truth(path: Path, image: np.ndarray, stills: Stills) -> tuple[np.ndarray, np.ndarray]:
    """Read where the object is in an image (H, W, 3), and where void is, (H, W) bool each.

    All labels of the file are the object.
    """
    annotation = Annotation.read(path, lambda: stills.shows_labels)
    void = annotation.void
    if void.shape != image.shape[:2]:
        raise SourceError(f"expected a mask of its picture's size {image.shape[:2]}; got {void.shape} in {path}")
    truth: np.ndarray = np.any(list(annotation.masks.values()), axis=0) if annotation.masks else np.zeros_like(void)
    if not truth.any():
        what = "has only void, as its folder shows labels" if void.any() else "is empty"
        raise SourceError(f"expected an object in {path}; the mask {what}")
    return truth, void


def _picture_score(truth: np.ndarray, void: np.ndarray, made: Sequence[Click], clicks: int) -> StillsScore:
    iou = [region_similarity(truth, click.answer.mask & ~void) if click.answer else 0.0 for click in made]
    ratings = [
        (click.answer.score, true)
        for click, true in zip(made, iou)
        if click.answer and click.answer.state == ObjectState.TRACKING
    ]
    # If nothing was wrong any more, the remaining clicks would have changed nothing.
    unneeded = clicks - len(made)
    return StillsScore((*iou, *iou[-1:] * unneeded), 1, tuple(ratings))


def _last_result(index: int, truth: np.ndarray, made: Sequence[Click]) -> FrameResult:
    """The object after the last click, with the clicks as its points."""
    xy, labels = [click.xy for click in made], [click.label for click in made]
    points = Points.start(np.arange(len(made)), np.array(xy), np.array(labels))
    last = made[-1].answer
    if last is None:
        result = ObjectResult(_OBJECT_ID, ObjectState.LOST, 0.0, LocalMask.empty(truth.shape), points)
    else:
        result = ObjectResult(_OBJECT_ID, last.state, last.score, last.local_mask, points)
    return FrameResult(index, truth.shape, (result,))
