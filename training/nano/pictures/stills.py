"""Reads photographs with outlined objects; stills.json beside the pictures contains the outlines."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from training.nano.sequence import VOID, Sequence, is_held_out, write_sequence

LEAST_AREA = 150  # Smallest number of visible pixels of a labelled object.
_LONGEST = 640  # Longer side of a photograph that is a sequence of its own, pixels.
COCO_LICENCES = {
    1: "CC BY-NC-SA 2.0",
    2: "CC BY-NC 2.0",
    3: "CC BY-NC-ND 2.0",
    4: "CC BY 2.0",
    5: "CC BY-SA 2.0",
    6: "CC BY-ND 2.0",
    7: "no known copyright restrictions",
}


@dataclass(frozen=True, eq=False)
class Still:
    """A photograph with outlined objects.

    path      path of the picture
    outlines  for each object the polygons of its parts, (n, 2) float32 pixel xy
    complete  whether all objects in it are outlined
    source    the collection that it comes from
    licence   its licence
    """

    path: Path
    outlines: tuple[tuple[np.ndarray, ...], ...]
    complete: bool
    source: str
    licence: str

    @cached_property
    def is_held_out(self) -> bool:
        """Whether it is held out for validation."""
        return is_held_out(self.path.stem)

    def image(self) -> np.ndarray:
        """The picture, (H, W, 3) uint8 RGB; raises FileNotFoundError if it cannot be read."""
        image = cv2.imread(str(self.path))
        if image is None:
            raise FileNotFoundError(f"expected a readable picture; got {self.path}")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def labels(self, height: int, width: int) -> np.ndarray:
        """(height, width) uint8: 0 background, 1..n the objects; smaller objects cover larger ones.

        Objects with less than LEAST_AREA visible pixels are left out.
        """
        outlines = sorted(self.outlines, key=lambda parts: -sum(cv2.contourArea(part) for part in parts))
        labels = np.zeros((height, width), np.uint8)
        for number, parts in enumerate(outlines[: VOID - 1], start=1):
            cv2.fillPoly(labels, [np.rint(part).astype(np.int32) for part in parts], number)
        areas = np.bincount(labels.ravel(), minlength=256)
        kept = [number for number in range(1, VOID) if areas[number] >= LEAST_AREA]
        table = np.zeros(256, np.uint8)
        table[kept] = np.arange(1, len(kept) + 1)
        return table[labels]


def read_stills(folder: Path) -> list[Still]:
    """All photographs of a folder with stills.json; see training/nano/README.md for its layout.

    Raises FileNotFoundError if there is no such file, and ValueError if an outline has less than 3 points.
    """
    file = folder / "stills.json"
    if not file.is_file():
        raise FileNotFoundError(f"expected the outlines of photographs in {file}; found none")
    return [_still(folder, entry) for entry in json.loads(file.read_text())]


def make_photographs(work: Path, folder: Path) -> None:
    """Write work/sequences/photograph/NAME.npz, one frame, for every photograph for training; existing files are kept.

    Photographs without an object that is large enough are left out.
    """
    for still in tqdm(read_stills(folder), "photographs", unit="photograph"):
        path = work / "sequences/photograph" / f"{still.path.stem}.npz"
        if still.is_held_out or path.exists():
            continue
        image = still.image()
        labels = still.labels(*image.shape[:2])
        image = at_most(image, _LONGEST)
        labels = cv2.resize(labels, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        if labels.any():
            write_sequence(path, Sequence([image], [labels], still.complete))


def at_most(image: np.ndarray, side: int) -> np.ndarray:
    """An image (H, W, 3) scaled down to so many pixels on its longer side, unless it is smaller already."""
    scale = side / max(image.shape[:2])
    return image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def counted(stills: list[Still]) -> list[dict[str, Any]]:
    """The number of pictures and objects of every source and licence."""
    pictures, objects = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for still in stills:
        pictures[still.source, still.licence] += 1
        objects[still.source, still.licence] += len(still.outlines)
    return [
        {"source": source, "licence": licence, "pictures": count, "objects": objects[source, licence]}
        for (source, licence), count in sorted(pictures.items())
    ]


def _still(folder: Path, entry: dict[str, Any]) -> Still:
    outlines = []
    for listed in entry["objects"]:
        parts = tuple(np.array(polygon, np.float32).reshape(-1, 2) for polygon in listed["polygons"])
        if any(len(part) < 3 for part in parts):
            raise ValueError(f"expected polygons of 3 points or more for {entry['file']}; got {listed['polygons']}")
        outlines.append(parts)
    licence = COCO_LICENCES[entry["licence_id"]] if "licence_id" in entry else entry["licence"]
    return Still(folder / entry["file"], tuple(outlines), entry["all_objects_labelled"], entry["source"], licence)
