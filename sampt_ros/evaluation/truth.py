"""The masks found in a recording, compared with true ones that somebody has of some of its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from sampt_ros.data_types import FrameResult
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.masks import object_records
from sampt_ros.io.masks import files_by_frame


class Truth:
    """Scores results against a folder of true masks, frame by frame, as tracking goes on.

    An object is scored in all frames that have a mask file, but for the one whose prompts started it.
    """

    def __init__(self, folder: Path, frame_names: Sequence[str] = (), starts: Mapping[int, int] | None = None) -> None:
        """Look which masks there are; raises SourceError for a folder without any, or with one that is of no frame.

        frame_names  of the recording's frames, in order, if these are files: masks are called as their frames are. If
                     there are none, the name of a mask is the number of its frame: 00012.png
        starts       by id, the frame that an object's prompts lie in
        """
        self._starts = dict(starts or {})
        self._sequence = AnnotatedSequence(folder.name, (), files_by_frame(folder, frame_names))
        self._records: dict[int, list[float]] = {object_id: [] for object_id in self._starts}
        self._in_truth: set[int] = set()
        self._compared: set[int] = set()  # Frames.

    def add(self, result: FrameResult) -> None:
        """Compare a frame, by its index; raises SourceError for a mask that cannot be read or is of another size."""
        if result.index not in self._sequence.annotations:
            return
        self._compared.add(result.index)
        truth = self._sequence.truth(result.index)
        self._in_truth.update(truth.masks)
        for item in result.objects:
            self._records.setdefault(item.id, [])
        for (object_id, values), record in zip(
            self._records.items(), object_records(truth, result, list(self._records))
        ):
            if self._starts.get(object_id) != result.index:
                values.append(record.j)

    @property
    def unused(self) -> int:
        """How many true masks are of frames that have not come."""
        return len(self._sequence.annotations) - len(self._compared)

    @property
    def j(self) -> dict[int, float]:
        """Region similarity by object, 0..1, the mean of the frames that were scored; only objects that truth shows."""
        return {key: fmean(values) for key, values in self._records.items() if values and key in self._in_truth}
