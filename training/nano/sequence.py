"""The common format of all training data: short sequences of frames with labels, and their files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

VOID = 255  # The label of pixels whose content is unknown.
_QUALITY = 92  # JPEG quality of the images.


class Sequence(NamedTuple):
    """Frames of one scene.

    images    T of (H, W, 3) uint8 RGB
    labels    T of (H, W) uint8: 0 background, ids of objects, VOID
    complete  whether all objects are labelled, so that an object whose id is missing in a frame is not visible there
    twins     groups of ids of objects that look exactly alike
    """

    images: list[np.ndarray]
    labels: list[np.ndarray]
    complete: bool = True
    twins: tuple[tuple[int, ...], ...] = ()


def write_sequence(path: Path, sequence: Sequence) -> None:
    """Write a sequence to one file, which appears only when it is complete."""
    arrays: dict[str, Any] = {"complete": np.array(sequence.complete), "twins": np.zeros((0, 2), np.int64)}
    pairs = [(twins[0], other) for twins in sequence.twins for other in twins[1:]]
    if pairs:
        arrays["twins"] = np.array(pairs)
    for number, (image, labels) in enumerate(zip(sequence.images, sequence.labels)):
        bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        arrays[f"image{number}"] = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        arrays[f"labels{number}"] = cv2.imencode(".png", labels)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)
    partial.replace(path)


def read_sequence(path: Path, frames: list[int] | None = None) -> Sequence:
    """Read a sequence, or only the frames with these indices, in this order."""
    with np.load(path) as arrays:
        count = sum(name.startswith("image") for name in arrays.files)
        images, labels = [], []
        for number in range(count) if frames is None else frames:
            bgr = cv2.imdecode(arrays[f"image{number}"], cv2.IMREAD_COLOR)
            images.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
            labels.append(cv2.imdecode(arrays[f"labels{number}"], cv2.IMREAD_UNCHANGED))
        twins = tuple(tuple(int(name) for name in pair) for pair in arrays["twins"])
        return Sequence(images, labels, bool(arrays["complete"]), twins)


def is_held_out(name: str) -> bool:
    """Whether the picture, object or clip of this name is held out for validation: about one in ten, by a hash."""
    return hashlib.sha256(name.encode()).digest()[0] < 26
