"""How good the masks of single pictures are after one click, two clicks, and so on.

Folders hold a folder per object, with a mask for every picture: OBJECT/NN.jpg and OBJECT/NN_mask.png.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from sampt_ros.data_types import FrameResult, ObjectResult, ObjectState, Points
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.masks import Watcher
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.evaluation.simulated_clicks import Click, click_object
from sampt_ros.io.label_images import read_labels
from sampt_ros.io.video import IMAGE_SUFFIXES, image_files, read_image
from sampt_ros.tracking.sam_pt import SamPt

DEFAULT_CLICKS = 3
_MASK = "_mask"  # what a mask's file name ends with, before .png
_OBJECT = 1
_LEAST_RATINGS = 3  # any two correlate fully


@dataclass(frozen=True)
class Stills:
    """Pictures of one object, with the mask of each."""

    name: str
    pictures: tuple[Path, ...]
    masks: tuple[Path, ...]


def is_stills_folder(folder: Path) -> bool:
    """Whether a folder holds folders with masks, and is not in the DAVIS layout."""
    if (folder / "JPEGImages/480p").is_dir() or not folder.is_dir():
        return False
    return any(next(path.glob(f"*{_MASK}.png"), None) for path in _folders(folder))


def stills_objects(folder: Path, names: Sequence[str] = ()) -> list[Stills]:
    """The objects of a folder of stills, or those in `names`; folders without any image are none.

    Raises SourceError if there is none, a name is not there, or a picture has no mask or a mask no picture.
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
    pictures = [path for path in files if not path.stem.endswith(_MASK)]
    masks = [folder / f"{picture.stem}{_MASK}.png" for picture in pictures]
    missing = next((mask for mask in masks if not mask.is_file()), None)
    if missing:
        raise SourceError(f"expected a mask for every picture; there is no {missing}")
    stray = next((path for path in files if path.stem.endswith(_MASK) and path not in masks), None)
    if stray:
        raise SourceError(f"expected a picture for every mask; there is none for {stray}")
    return Stills(folder.name, tuple(pictures), tuple(masks))


@dataclass(frozen=True)
class StillsScore:
    """How one picture went, or the mean of some.

    iou       (mean) IoU with the true mask, 0..1, after 1, 2, ... clicks; a refused mask counts as empty
    pictures  how many
    ratings   (predicted IoU, true IoU) after every click that brought a mask
    """

    iou: tuple[float, ...]
    pictures: int
    ratings: tuple[tuple[float, float], ...]

    @classmethod
    def mean(cls, scores: Sequence[StillsScore]) -> StillsScore:
        """The mean of at least one score, each of the same weight; all pictures, all ratings."""
        return cls(
            tuple(fmean(column) for column in zip(*(score.iou for score in scores))),
            sum(score.pictures for score in scores),
            tuple(rating for score in scores for rating in score.ratings),
        )

    @property
    def correlation(self) -> float | None:
        """Pearson's, of predicted and true IoU, -1..1; None where fewer than 3 ratings or equal ones have none."""
        predicted, true = np.array(self.ratings, float).reshape(-1, 2).T
        if len(true) < _LEAST_RATINGS or np.ptp(predicted) == 0 or np.ptp(true) == 0:
            return None
        return float(np.corrcoef(predicted, true)[0, 1])

    def row(self) -> str:
        """The score as a row of a table; see `table_head`."""
        return f"{self.pictures:8}" + "".join(f"  {iou:6.3f}" for iou in self.iou)

    def fields(self) -> dict[str, Any]:
        """The score as JSON takes it."""
        return {
            "pictures": self.pictures,
            "iou": list(self.iou),
            "ratings": len(self.ratings),
            "correlation": self.correlation,
        }


def table_head(clicks: int) -> str:
    """The line above the rows of scores."""
    return "pictures" + "".join(f"  {f'IoU@{count}':>6}" for count in range(1, clicks + 1))


def evaluate_stills(
    sam_pt: SamPt, stills: Stills, clicks: int = DEFAULT_CLICKS, watch: Watcher | None = None
) -> StillsScore:
    """Segment every picture of an object from so many clicks (see `click_object`), each as a stream of its own.

    watch   called with every picture's image (H, W, 3) uint8 RGB and result: its place among the pictures as index,
            the mask after the last click, and the clicks as points

    Raises SourceError for a file that cannot be read, and a mask that is empty or not of its picture's size.
    """
    scores = []
    for index, (picture, mask) in enumerate(zip(stills.pictures, stills.masks)):
        image = read_image(picture)
        truth = _true_mask(mask, image)
        sam_pt.reset()
        sam_pt.step(image)
        made = click_object(sam_pt, _OBJECT, truth, np.zeros_like(truth), clicks)
        scores.append(_picture_score(truth, made, clicks))
        if watch:
            watch(image, _last_result(index, truth, made))
    return StillsScore.mean(scores)


def _true_mask(path: Path, image: np.ndarray) -> np.ndarray:
    """(H, W) bool: the mask in a PNG, nonzero on the object."""
    mask = read_labels(path) > 0
    if mask.shape != image.shape[:2]:
        raise SourceError(f"expected a mask of its picture's size {image.shape[:2]}; got {mask.shape} in {path}")
    if not mask.any():
        raise SourceError(f"expected an object in {path}; the mask is empty")
    return mask


def _picture_score(truth: np.ndarray, made: Sequence[Click], clicks: int) -> StillsScore:
    iou = [region_similarity(truth, click.answer.mask) if click.answer else 0.0 for click in made]
    ratings = [
        (click.answer.score, true)
        for click, true in zip(made, iou)
        if click.answer and click.answer.state == ObjectState.TRACKING
    ]
    unneeded = clicks - len(made)  # nothing was wrong any more
    return StillsScore((*iou, *iou[-1:] * unneeded), 1, tuple(ratings))


def _last_result(index: int, truth: np.ndarray, made: Sequence[Click]) -> FrameResult:
    """What the last click brought, with the clicks as its points."""
    xy, labels = [click.xy for click in made], [click.label for click in made]
    points = Points.start(np.arange(len(made)), np.array(xy), np.array(labels))
    last = made[-1].answer
    if last is None:
        result = ObjectResult(_OBJECT, ObjectState.LOST, 0.0, np.zeros_like(truth), points)
    else:
        result = ObjectResult(_OBJECT, last.state, last.score, last.mask, points)
    return FrameResult(index, truth.shape, (result,))
