"""Optional outputs of tracking a recording: a labelled dataset, and scores where ground truth is known."""

from __future__ import annotations

import argparse
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

from sampt_ros.data_types import FrameResult
from sampt_ros.errors import ConfigError, QueryError
from sampt_ros.evaluation.truth import Truth
from sampt_ros.io.export import EXPORTERS
from sampt_ros.streaming.requests import ObjectStart

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Summary:
    """A summary of tracking a recording.

    frames    number of frames written; dropped: number of frames that could not be read or tracked
    seconds   time spent on tracking alone
    masks     by object id, the number of frames in which the object has a mask
    j         by object id, region similarity with the true masks, 0..1; empty without ground truth
    text      all of this in words
    """

    frames: int
    dropped: int
    seconds: float
    masks: Mapping[int, int] = field(default_factory=Counter)
    j: Mapping[int, float] = field(default_factory=dict)
    text: str = ""

    def require_objects(self) -> None:
        """Raise QueryError if no object was started."""
        if not self.masks:
            raise QueryError("expected at least one object that can be started; the warnings above say why none can")


def add_outputs(parser: argparse.ArgumentParser, file: Callable[[str], Path | str]) -> None:
    """Add --export, --names and --truth; file: type of the last one's value."""
    argument = parser.add_argument
    argument("--export", choices=EXPORTERS, help="also write a labelled dataset: COCO JSON and YOLO polygons")
    argument("--names", default="", metavar="1=mug,2=can", help="names of the objects: the dataset's categories")
    argument(
        "--truth",
        type=file,
        metavar="FOLDER",
        help="true masks of some frames, named as for --masks: print how well the masks agree with them (J)",
    )


class Outputs:
    """The outputs selected by the options; each frame is passed to all of them."""

    def __init__(
        self,
        parsed: argparse.Namespace,
        folder: Path,
        starts: Mapping[int, ObjectStart],
        frame_names: Sequence[str] = (),
    ) -> None:
        """folder: parent of the dataset's folder; frame_names: names of the frames, if these are files."""
        self._names = object_names(parsed.names)
        self._seen: set[int] = set()  # Ids of the objects in the frames so far.
        self._dataset = EXPORTERS[parsed.export](folder / parsed.export, self._names) if parsed.export else None
        if self._names and self._dataset is None:
            _log.warning("--names: these are the categories of a dataset; without --export they are not used")
        frames = {object_id: start.frame for object_id, start in starts.items() if start.reference is None}
        if self._dataset is not None and not getattr(parsed, "both_ways", False):
            _warn_of_background(frames, min((start.frame for start in starts.values()), default=0))
        self._truth = Truth(parsed.truth, frame_names, frames) if parsed.truth else None

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._dataset is None:
            return
        self._dataset.close()
        unknown = sorted(self._names.keys() - self._seen)
        if unknown and error is None:
            _log.warning(
                "--names: expected ids of objects that were tracked (%s); got %s, whose categories have no masks",
                ", ".join(map(str, sorted(self._seen))) or "none",
                ", ".join(map(str, unknown)),
            )

    def add(self, image: np.ndarray, result: FrameResult) -> None:
        """Add a frame; image: (H, W, 3) uint8 RGB; result: its `index` is the number of the frame in the recording.

        Raises SourceError if a file cannot be written, or a true mask cannot be read.
        """
        if self._dataset is not None:
            self._dataset.add(image, result)
            self._seen.update(item.id for item in result.objects)
        if self._truth is not None:
            self._truth.add(result)

    @property
    def j(self) -> dict[int, float]:
        """Region similarity by object id, 0..1; empty without ground truth."""
        return self._truth.j if self._truth else {}

    @property
    def text(self) -> str:
        """What was written and found, in words, to append to a sentence; empty if no output was selected."""
        parts = []
        if self._dataset is not None:
            parts.append(f"; {self._dataset.folder}: {self._dataset.frames} images")
            if self._dataset.skipped:
                parts.append(f" ({self._dataset.skipped} left out, in which a mask is uncertain or nothing is tracked)")
        if self._truth is not None:
            scores = ", ".join(f"{value:.3f} of object {object_id}" for object_id, value in self.j.items())
            parts.append(f"; J {scores}" if scores else f"; no J, since {self._truth.reason}")
            if self._truth.unused:
                parts.append(f" ({self._truth.unused} true masks are of frames that were not tracked)")
        return "".join(parts)


def object_names(text: str) -> dict[int, str]:
    """Parse names of objects by id, such as "1=mug,2=can"; raises ConfigError."""
    names = {}
    for part in filter(None, text.split(",")):
        number, _, name = part.partition("=")
        if not (number.strip().isdecimal() and name.strip()):
            raise ConfigError(f"--names: expected ID=NAME pairs, such as 1=mug,2=can; got {part!r}")
        if int(number) in names:
            raise ConfigError(f"--names: expected one name for each object; got a second one for {int(number)}")
        names[int(number)] = name.strip()
    return names


def _warn_of_background(frames: Mapping[int, int], first: int) -> None:
    """Say which objects a dataset shows without a mask at first.

    frames: by object id, where each starts; first: the first frame that is exported
    """
    if late := [object_id for object_id, frame in frames.items() if frame > first]:
        _log.warning(
            "--export: frames from %d on are exported, in which %s %s background until the start; start all objects on "
            "the same frame, or track a video with --both-ways",
            first,
            ", ".join(f"object {object_id}" for object_id in late),
            "is" if len(late) == 1 else "are",
        )
