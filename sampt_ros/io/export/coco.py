"""A labelled dataset in two formats for the same images: COCO JSON and YOLO polygons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import numpy as np
import yaml

from sampt_ros.data_types import FrameResult, ObjectResult, ObjectState
from sampt_ros.io.export.outlines import outline, run_lengths
from sampt_ros.io.image_files import folder_for_frames, write_image
from sampt_ros.io.writing import uninterrupted, write_whole, writing_to

_SPLIT = ("annotations_train.json", "annotations_val.json", "train.txt", "val.txt")  # as of examples/split_dataset.py
_NOTE = "# Made by sampt. Every image is listed for training and for validation: split them as your training needs.\n"


class CocoDataset:
    """Writes frames with known masks as a dataset, which is complete even if tracking stops early.

        with CocoDataset(folder, {1: "mug"}) as dataset:
            for image, result in track(...):
                dataset.add(image, result)

    images/00000.jpg   every frame that is written
    annotations.json   COCO: masks as run lengths, exact to the pixel; `track_id` is the object id
    labels/00000.txt   YOLO: class of every object and polygon around its mask, as fractions of width and height
    data.yaml          the classes, for YOLO's training

    A frame in which an object is UNCERTAIN is skipped, because the object is visible, but its mask is unknown. Frames
    before the start of the first object are skipped, too. Nothing is written before the first frame; then the files of
    an earlier run are replaced, even if all frames are skipped: a dataset of no images is whole, too. Ctrl-C and
    SIGTERM wait while a frame is written, so that it is in all files, or in none.

    frames   number of frames written
    skipped  number of frames skipped
    """

    # The files and folders above, and those of examples/split_dataset.py: all that a run replaces in its folder.
    WRITTEN = ("images", "annotations.json", "labels", "data.yaml", *_SPLIT)

    def __init__(self, folder: Path, names: Mapping[int, str] | None = None) -> None:
        """names: names of objects by id; objects of the same name form a category. Default: "object 3"."""
        self.folder = folder
        self.frames = self.skipped = 0
        self._names = dict(names or {})
        # Named categories come first and in a fixed order, whichever frame they appear in first.
        self._categories = list(dict.fromkeys(self._names.values()))
        self._images: list[dict[str, Any]] = []
        self._annotations = 0
        self._file: TextIO | None = None

    def __enter__(self) -> CocoDataset:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @uninterrupted()
    def add(self, image: np.ndarray, result: FrameResult) -> None:
        """Write one frame; image: (H, W, 3) uint8 RGB. Raises SourceError where the folder cannot be written."""
        file = self._file or self._open()  # Before a frame is skipped: no file of an earlier run may stay.
        if not result.objects or any(item.state is ObjectState.UNCERTAIN for item in result.objects):
            self.skipped += 1
            return
        name = f"{result.index:05d}"
        shown = [item for item in result.objects if item.area]
        first = self._annotations + 1
        annotations = [
            json.dumps(self._annotation(number, item, result.index)) for number, item in enumerate(shown, first)
        ]
        lines = [f"{self._category(item.id)} {_polygon(item.mask)}\n" for item in shown]
        with writing_to(self.folder):
            write_whole(self.folder / f"labels/{name}.txt", "".join(lines).encode())
        write_image(self.folder / f"images/{name}.jpg", image)
        with writing_to(self.folder):
            for text in annotations:
                file.write(f",\n{text}" if self._annotations else f"\n{text}")
                self._annotations += 1
        height, width = result.size
        self._images.append({"id": result.index, "file_name": f"{name}.jpg", "width": width, "height": height})
        self.frames += 1

    @uninterrupted()
    def close(self) -> None:
        """Finish the files; raises SourceError where they cannot be written."""
        if self._file is None:
            return
        file, self._file = self._file, None
        categories = [{"id": number, "name": name} for number, name in enumerate(self._categories, 1)]
        classes = {"train": "images", "val": "images", "names": dict(enumerate(self._categories))}
        with writing_to(self.folder):
            with file:
                file.write('\n], "images": ')
                json.dump(self._images, file)
                file.write(', "categories": ')
                json.dump(categories, file)
                file.write("}\n")
            (self.folder / "data.yaml").write_text(_NOTE + yaml.safe_dump(classes, sort_keys=False))

    def _open(self) -> TextIO:
        """Open the file of annotations, which are written one by one, and delete the files of an earlier run."""
        with writing_to(self.folder):
            folder_for_frames(self.folder / "images", ".jpg")
            folder_for_frames(self.folder / "labels", ".txt")
            for name in _SPLIT:
                (self.folder / name).unlink(missing_ok=True)
            self._file = file = (self.folder / "annotations.json").open("w")
        file.write('{"info": {"description": "masks tracked by sampt"}, "annotations": [')
        return file

    def _annotation(self, number: int, item: ObjectResult, index: int) -> dict[str, Any]:
        height, width = item.mask.shape
        return {
            "id": number,
            "image_id": index,
            "category_id": self._category(item.id) + 1,
            "track_id": item.id,
            "bbox": list(item.box),
            "area": item.area,
            "segmentation": {"counts": run_lengths(item.mask).tolist(), "size": [height, width]},
            "iscrowd": 0,
            "score": round(item.score, 4),
        }

    def _category(self, object_id: int) -> int:
        """The index of an object's category, from 0."""
        name = self._names.get(object_id, f"object {object_id}")
        if name not in self._categories:
            self._categories.append(name)
        return self._categories.index(name)


def _polygon(mask: np.ndarray) -> str:
    """The outline of a mask (H, W) bool in YOLO's format: x y x y ..., fractions of the width and height."""
    height, width = mask.shape
    fractions = (outline(mask) + 0.5) / (width, height)  # at the centres of pixels
    return " ".join(f"{value:.6f}" for value in fractions.ravel())
