"""Annotated sequences in the DAVIS layout.

JPEGImages/480p/SEQUENCE/*.jpg and Annotations/480p/SEQUENCE/*.png.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.label_images import read_labels
from sampt_ros.io.video import image_files

_VOID = 255  # in an annotation with several objects


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
