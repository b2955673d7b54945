"""Compares the masks of a recording with true masks of some of its frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from sampt_ros.data_types import FrameResult
from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.masks import object_records
from sampt_ros.io.masks import files_by_frame


class Truth:
    """Scores results against a folder of true masks, frame by frame during tracking.

    An object is scored in all frames that have a mask file, except the one that its prompts belong to.
    """

    def __init__(self, folder: Path, frame_names: Sequence[str] = (), starts: Mapping[int, int] | None = None) -> None:
        """List the masks; raises SourceError for a folder without any, or with one that matches no frame.

        frame_names  names of the recording's frames, in order, if these are files: masks are named like their frames.
                     If empty, a mask is named by the number of its frame: 00012.png
        starts       by object id, the number of the frame that its prompts belong to
        """
        self._starts = dict(starts or {})
        self._sequence = AnnotatedSequence(folder.name, (), files_by_frame(folder, frame_names))
        self._records: dict[int, list[float]] = {object_id: [] for object_id in self._starts}
        self._in_truth: set[int] = set()
        self._compared: set[int] = set()  # indices of frames

    def add(self, result: FrameResult) -> None:
        """Compare a frame, by its index; raises SourceError for a mask that cannot be read or is of another size."""
        if result.index not in self._sequence.annotations:
            return
        truth = self._sequence.truth(result.index)
        self._in_truth.update(truth.masks)
        for item in result.objects:
            self._records.setdefault(item.id, [])
        try:
            records = object_records(truth, result, list(self._records))
        except SourceError as error:
            raise SourceError(f"{self._sequence.annotations[result.index]}: {error}") from None
        self._compared.add(result.index)
        for (object_id, values), record in zip(self._records.items(), records):
            if self._starts.get(object_id) != result.index:
                values.append(record.j)

    @property
    def unused(self) -> int:
        """Number of true masks whose frames were not added."""
        return len(self._sequence.annotations) - len(self._compared)

    @property
    def j(self) -> dict[int, float]:
        """Region similarity by object, 0..1, the mean of the frames that were scored; only objects that truth shows."""
        return {key: fmean(values) for key, values in self._records.items() if values and key in self._in_truth}

    @property
    def reason(self) -> str:
        """Why there is no J of any object."""
        if not self._compared:
            return "no true mask could be compared with a tracked frame"
        if self._in_truth & self._records.keys():
            return "an object's only true mask of a tracked frame is that of the frame it starts from"
        tracked, shown = (", ".join(map(str, sorted(ids))) or "none" for ids in (self._records, self._in_truth))
        return f"the true masks show no object of those tracked ({tracked}); they show {shown}"
