"""How good the masks are: region similarity J and boundary accuracy F, as the DAVIS benchmark defines them.

Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016. Folders are
in the DAVIS layout: JPEGImages/480p/SEQUENCE/*.jpg and Annotations/480p/SEQUENCE/*.png.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.davis import AnnotatedSequence, Annotation
from sampt_ros.evaluation.metrics import boundary_accuracy, region_similarity
from sampt_ros.evaluation.simulated_clicks import start_objects
from sampt_ros.io.video import read_image
from sampt_ros.tracking.sam_pt import SamPt


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
