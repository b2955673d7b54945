"""The file layouts of benchmarks: videos with true masks of objects in some or all frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.layouts.mose import mose_sequences
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.layouts.youtube_vos import META, youtube_vos_sequences


def annotated_sequences(folder: Path, names: Sequence[str] = ()) -> list[AnnotatedSequence]:
    """The sequences of a folder in any of the layouts, sorted by name, or those in `names`, in that order.

    Raises SourceError if the folder has none of the layouts, or is incomplete.
    """
    if (folder / "JPEGImages/480p").is_dir() or not (folder / "JPEGImages").is_dir():
        return davis_sequences(folder, names)
    if (folder / META).is_file():
        return youtube_vos_sequences(folder, names)
    return mose_sequences(folder, names)
