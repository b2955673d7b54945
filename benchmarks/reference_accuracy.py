"""Measures whether an object is found from a reference picture alone, and whether nothing is found where it is absent.

    python benchmarks/reference_accuracy.py DAVIS

DAVIS is a folder in the DAVIS layout. The first image of each sequence is the reference, with the mask of its first
object. The stream begins in the middle of the sequence, where the object looks different, and lasts 20 frames without a
click. Every other sequence, which does not show the object, is used as a stream, too.

An object that is too small to be learned from the picture counts as not found.

found  number of sequences in which J with the true mask is 0.5 or more in one of these frames
wrong  number of sequences in which there are masks, but none of J >= 0.5
false  number of other sequences with a mask in one of their first 20 frames
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sampt_ros.config.presets import load_preset
from sampt_ros.errors import QueryError
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.layouts.sequences import AnnotatedSequence
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.io.image_files import read_image
from sampt_ros.tracking.sam_pt import SamPt

FRAMES = 20
RIGHT = 0.5


def overlaps(sam_pt: SamPt, reference: AnnotatedSequence, stream: AnnotatedSequence, first: int) -> list[float]:
    """J of the masks on 20 frames of a stream, for an object known from a picture; frames without a mask are left out.

    If the stream is another sequence, J has no meaning, and only the number of masks counts.
    """
    sam_pt.reset()
    picture = reference.truth(0)
    name, mask = next(iter(picture.masks.items()))
    try:
        sam_pt.add_reference(read_image(reference.frames[0]), mask, name)
    except QueryError:
        return []
    found = []
    for index in range(first, min(first + FRAMES, len(stream.frames))):
        (item,) = sam_pt.step(read_image(stream.frames[index])).objects
        if item.area:
            truth = stream.truth(index).masks
            found.append(region_similarity(truth[name], item.mask) if name in truth else 0.0)
    return found


def main() -> None:
    """Print a row for each sequence, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="with JPEGImages/480p and Annotations/480p")
    parser.add_argument("--preset", default="default", help="(default: default)")
    options = parser.parse_args()
    sam_pt = SamPt(load_preset(options.preset))
    sequences = davis_sequences(options.folder)
    counts = {"found": 0, "wrong": 0, "not found": 0}
    false = 0
    for sequence in sequences:
        here = overlaps(sam_pt, sequence, sequence, len(sequence.frames) // 2)
        verdict = "not found" if not here else "found" if max(here) >= RIGHT else "wrong"
        others = [other for other in sequences if other is not sequence]
        mistaken = [other.name for other in others if overlaps(sam_pt, sequence, other, 0)]
        counts[verdict] += 1
        false += len(mistaken)
        print(f"{sequence.name:24s}{verdict:12s}{max(here, default=0):.2f}  {', '.join(mistaken)}", flush=True)
    pairs = len(sequences) * (len(sequences) - 1)
    print(", ".join(f"{verdict} {count}" for verdict, count in counts.items()), f"of {len(sequences)};", end=" ")
    print(f"false {false} of {pairs}")


if __name__ == "__main__":
    main()
