"""Draws where the masks of the best, the median and the worst sequence are right and wrong: docs/accuracy.png.

Only masks are drawn, not images, because the licences of the sequences do not allow their images in this repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import FrameResult
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.mask_scores import MaskScore
from sampt_ros.evaluation.masks import evaluate_sequence
from sampt_ros.io.image_files import write_image
from sampt_ros.tracking.sam_pt import SamPt

_FRAMES = 6  # Number of frames drawn of each sequence, evenly spaced.
_WIDTH = 240  # Width of a frame, pixels.
_GROUND, _RIGHT, _MISSED, _WRONG, _INK = (28, 28, 28), (90, 190, 110), (70, 120, 220), (220, 80, 70), (235, 235, 235)
_LINE = 26  # Height of a title, pixels.


class Maps:
    """Keeps the masks of some frames of a sequence while it is evaluated."""

    def __init__(self, sequence: AnnotatedSequence) -> None:
        self.frames = np.linspace(1, len(sequence.frames) - 1, _FRAMES).round().astype(int).tolist()
        self._sequence = sequence
        self._drawn: list[np.ndarray] = []

    def watch(self, image: np.ndarray, result: FrameResult) -> None:
        """Draw the mask of a frame, if it is one of those that are shown."""
        if result.index in self.frames:
            truth = self._sequence.truth(result.index)
            self._drawn.append(_agreement(np.any(list(truth.masks.values()), axis=0), result.mask > 0))

    def row(self, title: str) -> np.ndarray:
        """(h, w, 3) uint8 RGB: the frames side by side, under a title."""
        strip = np.hstack(self._drawn)
        head = np.full((_LINE, strip.shape[1], 3), _GROUND, np.uint8)
        cv2.putText(head, title, (6, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
        return np.vstack([head, strip])


def _agreement(truth: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture (h, w, 3) uint8 RGB of where a true mask and a found one, (H, W) bool each, agree and differ."""
    picture = np.full((*truth.shape, 3), _GROUND, np.uint8)
    for where, colour in ((truth & mask, _RIGHT), (truth & ~mask, _MISSED), (mask & ~truth, _WRONG)):
        picture[where] = colour
    height = round(truth.shape[0] * _WIDTH / truth.shape[1])
    return np.pad(cv2.resize(picture, (_WIDTH, height), interpolation=cv2.INTER_AREA), ((1, 1), (1, 1), (0, 0)))


def chosen(scores: Sequence[MaskScore]) -> list[tuple[str, int]]:
    """The best, the median and the worst sequence by J&F, each with its index."""
    order = sorted(range(len(scores)), key=lambda place: scores[place].jf)
    return [("best", order[-1]), ("median", order[len(order) // 2]), ("worst", order[0])]


def main() -> None:
    """Evaluate all sequences and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("davis", type=Path, help="a folder in the DAVIS layout")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--out", type=Path, default=Path("docs/accuracy.png"))
    arguments = parser.parse_args()
    sam_pt = SamPt(load_preset(arguments.preset))
    sequences = davis_sequences(arguments.davis)
    maps = [Maps(sequence) for sequence in sequences]
    scores = [
        evaluate_sequence(sam_pt, sequence, watch=drawn.watch)
        for sequence, drawn in tqdm(list(zip(sequences, maps)), unit="sequence")
    ]
    rows = [
        maps[place].row(f"{kind}: {sequences[place].name}   J {scores[place].j:.3f}   F {scores[place].f:.3f}")
        for kind, place in chosen(scores)
    ]
    legend = np.full((_LINE, rows[0].shape[1], 3), _GROUND, np.uint8)
    for at, (word, colour) in enumerate((("right", _RIGHT), ("missed", _MISSED), ("wrong", _WRONG))):
        cv2.rectangle(legend, (6 + 110 * at, 7), (20 + 110 * at, 20), colour, cv2.FILLED)
        cv2.putText(legend, word, (28 + 110 * at, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, _INK, 1, cv2.LINE_AA)
    write_image(arguments.out, np.vstack([*rows, legend]))


if __name__ == "__main__":
    main()
