"""Sequences in the layouts of DAVIS, YouTube-VOS and MOSE."""

from __future__ import annotations

import numpy as np
from fakes import SIDE, blank

from sampt_ros.io.image_files import write_image
from sampt_ros.io.label_images import write_labels

NOTHING = np.zeros((48, 64), bool)


def square(x, y):
    """(48, 64) bool: the square that SquareSegmenter finds around (x, y)."""
    mask = NOTHING.copy()
    mask[y - SIDE // 2 : y + SIDE // 2 + 1, x - SIDE // 2 : x + SIDE // 2 + 1] = True
    return mask


def moving_squares(*starts, ids=(255,), frames=6):
    """Label images (48, 64) in which squares move as DriftingTracker says, one pixel a frame to the right."""
    return [
        sum(name * square(x + index, y).astype(int) for name, (x, y) in zip(ids, starts)) for index in range(frames)
    ]


def davis_folder(folder, annotations, name="seq"):
    """A sequence in the DAVIS layout with these label images (48, 64) uint8."""
    for index, labels in enumerate(annotations):
        write_image(folder / f"JPEGImages/480p/{name}/{index:05d}.jpg", blank())
        path = folder / f"Annotations/480p/{name}/{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_labels(path, labels.astype(np.uint8))
    return folder


def vos_folder(folder, annotations, name="video", frames=6, step=5):
    """A video as in YouTube-VOS and MOSE: frames 00000, 00005, ..., and label images (48, 64) of some, by index."""
    for index in range(frames):
        write_image(folder / f"JPEGImages/{name}/{step * index:05d}.jpg", blank())
    for index, labels in annotations.items():
        path = folder / f"Annotations/{name}/{step * index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_labels(path, labels.astype(np.uint8))
    return folder
