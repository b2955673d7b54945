"""DAVIS (2016 and 2017): JPEGImages/480p/SEQUENCE/*.jpg and Annotations/480p/SEQUENCE/*.png, one for every frame.

All objects of the first frame are scored, in all frames but the first and the last. A score is first the mean over an
object's frames, then over all objects of all sequences: Pont-Tuset et al., "The 2017 DAVIS Challenge on Video Object
Segmentation", arXiv 1704.00675.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence, chosen_folders, png_files, require_images
from sampt_ros.io.video import image_files

_VALIDATION = "ImageSets/2017/val.txt"  # The names of the sequences of the benchmark, one per line.
_MIN_FRAMES = 3  # The first and the last frame are not scored.


def davis_sequences(folder: Path, names: Sequence[str] = ()) -> list[AnnotatedSequence]:
    """The sequences of a folder in the DAVIS layout, sorted by name, or those in `names`, in that order.

    Without `names`, those listed in ImageSets/2017/val.txt are used if the file exists, because the folder also has
    sequences for training.

    Raises SourceError if the folder has another layout, a name does not exist, a frame has no annotation or an
    annotation no frame, or a sequence has fewer than 3 frames.
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
    """The sequences listed in the file; none if it does not exist."""
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
    files = png_files(annotations)
    missing = next((frame.stem for frame in frames if frame.stem not in files), None)
    if missing is not None:
        raise SourceError(f"expected an annotation for every frame; there is no {annotations / missing}.png")
    require_images(files.values(), frames)
    if len(frames) < _MIN_FRAMES:
        raise SourceError(f"expected at least {_MIN_FRAMES} frames, as the first and last are not scored; got {images}")
    return AnnotatedSequence(images.name, tuple(frames), dict(enumerate(files[frame.stem] for frame in frames)))
