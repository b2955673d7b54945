"""YouTube-VOS: JPEGImages/VIDEO/*.jpg, Annotations/VIDEO/*.png of some frames, and meta.json, which lists the objects.

Every object starts from the first annotation that shows it, and is scored in all annotated frames after that. Scores
are averaged over the frames of each object, then over all objects of categories in the training set (seen), and over
those of other categories (unseen): https://youtube-vos.org/dataset/vos
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sampt_ros.errors import SourceError
from sampt_ros.evaluation.layouts.sequences import (
    AnnotatedSequence,
    ListedObject,
    chosen_folders,
    frames_and_annotations,
)

META = "meta.json"
SEEN, UNSEEN = "seen", "unseen"

_FORM = '{"videos": {VIDEO: {"objects": {ID: {"category": NAME, "frames": [NAMES]}}}}}'


def youtube_vos_sequences(folder: Path, names: Sequence[str] = ()) -> list[AnnotatedSequence]:
    """The videos of a folder in this layout, sorted by name, or those in `names`, in that order.

    The seen categories are those in the meta.json of a sibling folder `train`; without it, or if meta.json has no
    categories, objects are not split.

    Raises SourceError if the folder has another layout, a name does not exist, meta.json cannot be read, or a frame
    that it lists for an object has no annotation (of the validation set only the first annotations are published).
    """
    images, annotations = folder / "JPEGImages", folder / "Annotations"
    if not (images.is_dir() and annotations.is_dir()):
        raise SourceError(f"expected JPEGImages/VIDEO and Annotations/VIDEO in {str(folder)!r}")
    videos = _read(folder / META)
    seen = _categories(folder.resolve().parent / "train" / META)
    sequences = []
    for name in chosen_folders(images, names):
        if name not in videos:
            raise SourceError(f"expected an entry for every video in {folder / META}; there is none for {name}")
        frames, files = frames_and_annotations(images / name, annotations / name)
        indices = {frame.stem: index for index, frame in enumerate(frames)}
        objects = {}
        for object_id, (category, frame_names) in videos[name].items():
            missing = next((frame for frame in frame_names if indices.get(frame) not in files), None)
            if missing is not None:
                raise SourceError(
                    f"expected an annotation of every frame that {META} lists; there is none of {name}/{missing} "
                    "(of the validation set only the first masks are published; its server scores the others)"
                )
            split = (SEEN if category in seen else UNSEEN) if seen and category else ""
            objects[object_id] = ListedObject(min(indices[frame] for frame in frame_names), split)
        sequences.append(AnnotatedSequence(name, frames, files, objects, later_objects=True, scores_last=True))
    return sequences


def _read(path: Path) -> dict[str, dict[int, tuple[str, list[str]]]]:
    """By video and object id: category (empty if unknown), and names of the frames, at least one."""
    try:
        content = json.loads(path.read_text())
        return {str(name): _objects(video) for name, video in content["videos"].items()}
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SourceError(f"expected {_FORM} in {path}") from None


def _objects(video: Mapping[str, Any]) -> dict[int, tuple[str, list[str]]]:
    objects = {}
    for object_id, item in video["objects"].items():
        frames = [str(frame) for frame in item["frames"]]
        if not frames:
            raise ValueError(f"object {object_id} without frames")
        objects[int(object_id)] = str(item.get("category") or ""), frames
    return objects


def _categories(path: Path) -> set[str]:
    """The categories in a meta.json; none if there is no such file."""
    videos = _read(path).values() if path.is_file() else ()
    return {category for video in videos for category, _ in video.values() if category}
