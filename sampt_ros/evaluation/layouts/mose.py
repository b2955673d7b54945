"""MOSE, and other datasets in its layout: JPEGImages/VIDEO/*.jpg and Annotations/VIDEO/*.png, of some or all frames.

Every object starts from the first annotation that shows it, and is scored in all annotated frames after that, except
the video's last one, as in DAVIS. Scores are averaged over the frames of each object, then over all objects of all
videos. Ding et al., "MOSE: A New Dataset for Video Object Segmentation in Complex Scenes", arXiv 2302.01872.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence, chosen_folders, frames_and_annotations


def mose_sequences(folder: Path, names: Sequence[str] = ()) -> list[AnnotatedSequence]:
    """The videos of a folder in this layout, sorted by name, or those in `names`, in that order.

    Raises SourceError if the folder has another layout, a name does not exist, or a video has no annotation.
    """
    images, annotations = folder / "JPEGImages", folder / "Annotations"
    if not (images.is_dir() and annotations.is_dir()):
        raise SourceError(f"expected JPEGImages/VIDEO and Annotations/VIDEO in {str(folder)!r}")
    sequences = []
    for name in chosen_folders(images, names):
        files = frames_and_annotations(images / name, annotations / name)
        sequences.append(AnnotatedSequence(name, *files, later_objects=True))
    return sequences
