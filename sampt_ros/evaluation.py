"""How good the masks are: region similarity J and boundary accuracy F, as the DAVIS benchmark defines them.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016. Folders are
in the DAVIS layout: JPEGImages/480p/SEQUENCE/*.jpg and Annotations/480p/SEQUENCE/*.png.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np

from sampt_ros.errors import QueryError, SourceError
from sampt_ros.label_images import read_labels
from sampt_ros.sam_pt import SamPt
from sampt_ros.structures import NEGATIVE, POSITIVE, FrameResult, ObjectResult
from sampt_ros.video import image_files, read_image

_TOLERANCE = 0.008  # of the image diagonal, within which two boundaries count as one
_VOID = 255  # in an annotation with several objects


def region_similarity(truth: np.ndarray, mask: np.ndarray) -> float:
    """J, the intersection over union of two masks (H, W) bool; 1 where both are empty."""
    union = np.count_nonzero(truth | mask)
    return np.count_nonzero(truth & mask) / union if union else 1.0


def boundary_accuracy(truth: np.ndarray, mask: np.ndarray) -> float:
    """F, the harmonic mean of boundary precision and recall of two masks (H, W) bool."""
    radius = int(np.ceil(_TOLERANCE * np.linalg.norm(truth.shape)))
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (x**2 + y**2 <= radius**2).astype(np.uint8)
    true_edge, edge = _boundary(truth), _boundary(mask)
    n_true, n_found = np.count_nonzero(true_edge), np.count_nonzero(edge)
    if n_true == 0 or n_found == 0:
        return float(n_true == n_found)
    precision = np.count_nonzero(edge & cv2.dilate(true_edge, disk)) / n_found
    recall = np.count_nonzero(true_edge & cv2.dilate(edge, disk)) / n_true
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(mask: np.ndarray) -> np.ndarray:
    """(H, W) uint8: 1 where a pixel differs from its right, lower or lower-right neighbour, borders repeated."""
    padded = np.pad(mask.astype(np.uint8), ((0, 1), (0, 1)), mode="edge")
    here, right, below, diagonal = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return (here ^ right) | (here ^ below) | (here ^ diagonal)


def most_interior_point(mask: np.ndarray) -> tuple[int, int]:
    """(x, y) of the pixel of a mask (H, W) that is farthest from its outside, the image border included."""
    padded = np.pad(mask.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(x), int(y)


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is true of one frame.

    masks  object id -> (H, W) bool
    void   (H, W) bool: pixels that nobody could decide on; they count neither way
    """

    masks: dict[int, np.ndarray]
    void: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Annotation:
        """The annotation in a PNG: 0/255 is one object, other values are object ids and 255 then is void."""
        labels = read_labels(path)
        ids = [int(label) for label in np.unique(labels) if label]
        if ids in ([], [_VOID]):
            return cls({1: labels > 0}, np.zeros(labels.shape, bool))
        return cls({label: labels == label for label in ids if label != _VOID}, labels == _VOID)


@dataclass(frozen=True)
class AnnotatedSequence:
    """A sequence of frames with an annotation for each."""

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]


def davis_sequences(folder: Path, names: Sequence[str] = ()) -> list[AnnotatedSequence]:
    """The sequences of a folder in the DAVIS layout, or those in `names`.

    Raises SourceError if the folder is not so laid out, a name is not there, or a frame has no annotation.
    """
    images, annotations = folder / "JPEGImages/480p", folder / "Annotations/480p"
    if not (images.is_dir() and annotations.is_dir()):
        raise SourceError(
            f"expected JPEGImages/480p and Annotations/480p in {str(folder)!r} (DAVIS), "
            "or a folder per object with NN.jpg and NN_mask.png (stills)"
        )
    there = sorted(path.name for path in images.iterdir() if path.is_dir())
    if not there:
        raise SourceError(f"expected a folder per sequence in {str(images)!r}; got none")
    unknown = [name for name in names if name not in there]
    if unknown:
        raise SourceError(f"unknown sequences {', '.join(unknown)}; expected some of {', '.join(there)}")
    return [_davis_sequence(images / name, annotations / name) for name in names or there]


def _davis_sequence(images: Path, annotations: Path) -> AnnotatedSequence:
    frames = image_files(images)
    pairs = [(frame, annotations / f"{frame.stem}.png") for frame in frames]
    missing = next((annotation for _, annotation in pairs if not annotation.is_file()), None)
    if missing:
        raise SourceError(f"expected an annotation for every frame; there is no {missing}")
    if len(frames) < 3:
        raise SourceError(f"expected at least 3 frames, as the first and last are not scored; got {images}")
    return AnnotatedSequence(images.name, tuple(frames), tuple(annotation for _, annotation in pairs))


@dataclass(frozen=True)
class Score:
    """J and F (0..1), and frames per second of SamPt.step alone."""

    j: float
    f: float
    fps: float

    @property
    def jf(self) -> float:
        """J&F, the mean of both."""
        return (self.j + self.f) / 2

    @classmethod
    def mean(cls, scores: Sequence[Score]) -> Score:
        """The mean of at least one score."""
        return cls(*(fmean(getattr(score, name) for score in scores) for name in ("j", "f", "fps")))

    @staticmethod
    def head() -> str:
        """The line above the rows."""
        return "    J      F    J&F  frames/s"

    def row(self) -> str:
        """The score as a row of a table."""
        return f"{self.j:.3f}  {self.f:.3f}  {self.jf:.3f}  {self.fps:8.1f}"

    def fields(self) -> dict[str, float]:
        """The score as JSON takes it."""
        return {"j": self.j, "f": self.f, "jf": self.jf, "fps": self.fps}


Watcher = Callable[[np.ndarray, FrameResult], None]


def evaluate_sequence(
    sam_pt: SamPt, sequence: AnnotatedSequence, clicks: int = 0, watch: Watcher | None = None
) -> Score:
    """Track all objects of a sequence's first frame through it, and score them as DAVIS does.

    The first and the last frame are not scored. Several objects are scored one by one; the sequence has their mean.

    clicks  0: the objects start from their true masks; otherwise from so many clicks each (see `click_objects`)
    watch   called with every frame's image (H, W, 3) uint8 RGB and result
    """
    sam_pt.reset()
    first = Annotation.read(sequence.annotations[0])
    sam_pt.step(read_image(sequence.frames[0]))
    start_objects(sam_pt, first, clicks)

    seconds = 0.0
    accuracy: list[tuple[float, float]] = []
    last = len(sequence.frames) - 1
    for index in range(1, last + 1):
        image = read_image(sequence.frames[index])
        start = time.perf_counter()
        result = sam_pt.step(image)
        seconds += time.perf_counter() - start
        if watch:
            watch(image, result)
        if index < last:
            accuracy.append(_accuracy(Annotation.read(sequence.annotations[index]), result, list(first.masks)))
    j, f = np.mean(accuracy, axis=0)
    return Score(float(j), float(f), last / seconds)


def _accuracy(truth: Annotation, result: FrameResult, object_ids: Sequence[int]) -> tuple[float, float]:
    """J and F of one frame, the mean over the objects."""
    if truth.void.shape != result.size:
        raise SourceError(f"expected an annotation of its frame's size {result.size}; got {truth.void.shape}")
    nothing = np.zeros(result.size, bool)
    pairs = [(truth.masks.get(name, nothing), (result.labels == name) & ~truth.void) for name in object_ids]
    return fmean(region_similarity(*pair) for pair in pairs), fmean(boundary_accuracy(*pair) for pair in pairs)


def start_objects(sam_pt: SamPt, truth: Annotation, clicks: int) -> None:
    """Start the objects of the newest frame from their true masks, or from so many clicks each if not 0."""
    if clicks:
        click_objects(sam_pt, truth, clicks)
        return
    for object_id, mask in truth.masks.items():
        sam_pt.add_object(mask=mask, object_id=object_id)


def click_objects(sam_pt: SamPt, truth: Annotation, clicks: int) -> None:
    """Start the objects of the newest frame with so many clicks each (see `click_object`), where they have a mask."""
    for object_id, mask in truth.masks.items():
        if mask.any():
            click_object(sam_pt, object_id, mask, truth.void, clicks)


@dataclass(frozen=True, eq=False)
class Click:
    """A click on an object of the newest frame.

    xy      pixel it is on
    label   POSITIVE or NEGATIVE
    answer  the object after it, or None where the segmenter finds nothing
    """

    xy: tuple[int, int]
    label: int
    answer: ObjectResult | None


def click_object(sam_pt: SamPt, object_id: int, mask: np.ndarray, void: np.ndarray, clicks: int) -> list[Click]:
    """Start an object of the newest frame with at most so many clicks, as a careful person would, and return them.

    The first is the most interior point of the true mask; each next one is the middle of the largest region where the
    mask so far is wrong, positive or negative. They end early where nothing is wrong any more. An object that the
    segmenter does not find is not tracked.

    mask  (H, W) bool: the true mask, not empty
    void  (H, W) bool: pixels that count neither way
    """
    made: list[Click] = []
    found = np.zeros_like(mask)
    for _ in range(clicks):
        error = _largest_region((mask ^ found) & ~void)
        if not error.any():
            break
        x, y = most_interior_point(error if made else mask)
        label = POSITIVE if mask[y, x] else NEGATIVE
        answer = None
        try:
            if object_id in sam_pt.object_ids:
                answer = sam_pt.add_points(object_id, [(x, y)], [label])
            else:
                points, labels = [click.xy for click in made], [click.label for click in made]
                answer = sam_pt.add_object([*points, (x, y)], [*labels, label], object_id=object_id)
        except QueryError:
            pass
        found = answer.mask if answer else np.zeros_like(mask)
        made.append(Click((x, y), label, answer))
    return made


def _largest_region(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool: the largest connected region of a mask."""
    _, regions, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return regions == 1 + areas.argmax() if len(areas) else mask
