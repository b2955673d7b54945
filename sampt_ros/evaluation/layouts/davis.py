"""DAVIS (2016 and 2017): JPEGImages/480p/SEQUENCE/*.jpg and Annotations/480p/SEQUENCE/*.png, one for every frame.

All objects of the first frame are scored, in all frames but the first and the last. A score is first the mean over an
object's frames, then over all objects of all sequences: Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object
Segmentation", arXiv 1704.00675.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence, chosen_folders, png_files
from sampt_ros.io.video import image_files

_VALIDATION = "ImageSets/2017/val.txt"  # The names of the sequences that the benchmark measures, one a line.
_LEAST_FRAMES = 3  # The first and the last frame are not scored.


def davis_sequences(folder: Path, names: Sequence[str] = ()) -> list[AnnotatedSequence]:
    """The sequences of a folder in the DAVIS layout, by name; or those in `names`, in that order.

    Without `names` those of ImageSets/2017/val.txt are taken if there is that file, since the folder holds those for
    training too.

    Raises SourceError if the folder is laid out otherwise, a name is not there, a frame has no annotation, or a
    sequence has fewer than 3 frames.
    """
    images, annotations = folder / "JPEGImages/480p", folder / "Annotations/480p"
    if not (images.is_dir() and annotations.is_dir()):
        raise SourceError(
            f"expected JPEGImages/480p and Annotations/480p in {str(folder)!r} (DAVIS), "
            "or JPEGImages/VIDEO and Annotations/VIDEO (YouTube-VOS, with meta.json, or MOSE), "
            "or a folder per object with NN.jpg and NN_mask.png (stills)"
        )
    chosen = chosen_folders(images, names or _validation_set(folder / _VALIDATION, images))
    return [_sequence(images / name, annotations / name) for name in chosen]


def _validation_set(path: Path, images: Path) -> list[str]:
    """The sequences that the file names, none if it is not there."""
    try:
        names = path.read_text().split() if path.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"cannot read {path}: {error}") from None
    missing = [name for name in names if not (images / name).is_dir()]
    if missing:
        raise SourceError(
            f"expected the sequences that {path} names in {images}; there is no {', '.join(missing)} "
            "(--sequences chooses others)"
        )
    return names


def _sequence(images: Path, annotations: Path) -> AnnotatedSequence:
    frames = image_files(images)
    there = png_files(annotations)
    missing = next((frame.stem for frame in frames if frame.stem not in there), None)
    if missing is not None:
        raise SourceError(f"expected an annotation for every frame; there is no {annotations / missing}.png")
    if len(frames) < _LEAST_FRAMES:
        raise SourceError(
            f"expected at least {_LEAST_FRAMES} frames, as the first and last are not scored; got {images}"
        )
    return AnnotatedSequence(images.name, tuple(frames), dict(enumerate(there[frame.stem] for frame in frames)))
