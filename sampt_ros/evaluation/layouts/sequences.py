"""Sequences of frames with true masks of objects in some or all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sampt_ros.errors import SourceError
from sampt_ros.io.masks import read_annotation, shows_labels
from sampt_ros.io.video import image_files


@dataclass(frozen=True, eq=False)
class Annotation:
    """The ground truth of one frame.

    masks  object id -> (H, W) bool; objects that are not visible may be missing
    void   (H, W) bool: pixels that the annotators left undecided; they are not scored
    """

    masks: dict[int, np.ndarray]
    void: np.ndarray

    @classmethod
    def read(cls, path: Path, in_labels: Callable[[], bool] = lambda: False) -> Annotation:
        """Read an image file as `read_annotation` does: with only 0 and 255 it shows object 1, unless `in_labels`.

        in_labels  whether other files of its folder show labels; then 255, in 8 bits, is void also where it is alone

        Raises SourceError if the file cannot be read.
        """
        return cls(*read_annotation(path, in_labels))


@dataclass(frozen=True)
class ListedObject:
    """A benchmark's information on an object, besides its masks.

    first  index of the first frame in which the object counts
    split  the set of objects that it belongs to, such as "seen"; empty if there are no such sets
    """

    first: int
    split: str = ""


@dataclass(frozen=True)
class AnnotatedSequence:
    """The files of a sequence, and the benchmark's rules for scoring it.

    An object starts from the first annotation that shows it, and is scored in all later annotated frames.

    frames         image files, in order
    annotations    annotation files by frame index
    objects        by id; None: all objects in the annotations
    later_objects  whether objects that first appear after the first frame count, too
    scores_last    whether the last frame is scored
    """

    name: str
    frames: tuple[Path, ...]
    annotations: Mapping[int, Path]
    objects: Mapping[int, ListedObject] | None = None
    later_objects: bool = False
    scores_last: bool = False

    def truth(self, index: int) -> Annotation:
        """The annotation of a frame that has one; raises SourceError if the file cannot be read."""
        return Annotation.read(self.annotations[index], lambda: self._shows_labels)

    def counts(self, object_id: int, index: int) -> bool:
        """Whether an object that is annotated in frame `index` is scored."""
        if not self.later_objects and index > 0:
            return False
        return self.objects is None or (object_id in self.objects and index >= self.objects[object_id].first)

    def split(self, object_id: int) -> str:
        """The set of objects that an object belongs to; empty if there are no such sets."""
        return self.objects[object_id].split if self.objects else ""

    @cached_property
    def _shows_labels(self) -> bool:
        """Whether an annotation shows labels; of those in order, files up to the first that does are read."""
        return shows_labels(path for _, path in sorted(self.annotations.items()))


def chosen_folders(folder: Path, names: Sequence[str] = ()) -> list[str]:
    """The sorted names of the folders in a folder, or `names`, if all of them exist.

    Raises SourceError if there are none, or if a name does not exist.
    """
    there = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not there:
        raise SourceError(f"expected a folder per sequence in {str(folder)!r}; got none")
    unknown = [name for name in names if name not in there]
    if unknown:
        raise SourceError(f"unknown sequences {', '.join(unknown)}; expected some of {', '.join(there)}")
    return list(names) or there


def frames_and_annotations(images: Path, annotations: Path) -> tuple[tuple[Path, ...], dict[int, Path]]:
    """The images of a sequence, in order, and its annotations by frame index.

    Raises SourceError if there is no image, no annotation, or an annotation without an image.
    """
    frames = image_files(images)
    indices = {frame.stem: index for index, frame in enumerate(frames)}
    found = sorted(png_files(annotations).values())
    if not found:
        raise SourceError(f"expected annotations of {images}, PNG files, in {annotations}; got none")
    require_images(found, frames)
    return tuple(frames), {indices[path.stem]: path for path in found}


def require_images(annotations: Iterable[Path], frames: Iterable[Path]) -> None:
    """Raise SourceError for the first annotation that is not named like one of the frames."""
    names = {frame.stem for frame in frames}
    stray = next((path for path in sorted(annotations) if path.stem not in names), None)
    if stray:
        raise SourceError(f"expected an image for every annotation; there is none for {stray}")


def png_files(folder: Path) -> dict[str, Path]:
    """The PNG files of a folder by name without the suffix, which may be in capitals; none if there is no folder."""
    files = folder.iterdir() if folder.is_dir() else ()
    return {path.stem: path for path in files if path.suffix.lower() == ".png" and not path.name.startswith(".")}
