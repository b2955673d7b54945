"""Annotated sequences in the DAVIS layout: JPEGImages/480p/SEQUENCE/*.jpg and Annotations/480p/SEQUENCE/*.png."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.label_images import read_labels
from sampt_ros.io.video import image_files

_VOID = 255  # the value of undecided pixels, in an annotation with several objects
_LEAST_FRAMES = 3  # the first and the last frame are not scored


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is true of one frame.

    masks  object id -> (H, W) bool; an object that is not to be seen may be missing
    void   (H, W) bool: pixels of which the annotators could not tell what they are; they are not scored
    """

    masks: dict[int, np.ndarray]
    void: np.ndarray

    @classmethod
    def read(cls, path: Path) -> Annotation:
        """Read a PNG: with 0 and 255 alone it shows the object 1; other values are object ids, and 255 then is void.

        Raises SourceError if the file cannot be read.
        """
        labels = read_labels(path)
        ids = [int(label) for label in np.unique(labels) if label]
        if ids in ([], [_VOID]):
            return cls({1: labels > 0}, np.zeros(labels.shape, bool))
        return cls({label: labels == label for label in ids if label != _VOID}, labels == _VOID)


@dataclass(frozen=True)
class AnnotatedSequence:
    """The files of a sequence's frames, in order, and of the annotation of each."""

    name: str
    frames: tuple[Path, ...]
    annotations: tuple[Path, ...]


def davis_sequences(folder: Path, names: Sequence[str] = ()) -> list[AnnotatedSequence]:
    """The sequences of a folder in the DAVIS layout, by name; or those in `names`, in that order.

    Raises SourceError if the folder is laid out otherwise, a name is not there, a frame has no annotation, or a
    sequence has fewer than 3 frames.
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
    if len(frames) < _LEAST_FRAMES:
        raise SourceError(
            f"expected at least {_LEAST_FRAMES} frames, as the first and last are not scored; got {images}"
        )
    return AnnotatedSequence(images.name, tuple(frames), tuple(annotation for _, annotation in pairs))
