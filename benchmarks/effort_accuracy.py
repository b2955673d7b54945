"""Measures how much accuracy each step of reduced effort costs, and how much time it saves.

    python benchmarks/effort_accuracy.py DAVIS [--preset NAME] [--sequences NAME,NAME]

DAVIS is a folder in the DAVIS layout. All of its sequences are tracked at every step. For each step it prints J&F over
the objects of all sequences, and milliseconds per frame.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sampt_ros.config.presets import load_preset
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.mask_scores import MaskScore
from sampt_ros.evaluation.masks import evaluate_sequence
from sampt_ros.tracking.effort import Effort
from sampt_ros.tracking.sam_pt import SamPt


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DAVIS", help="a folder in the DAVIS layout")
    parser.add_argument("--preset", default="default", help="default: default")
    parser.add_argument("--sequences", default="", metavar="NAME,NAME", help="only these")
    options = parser.parse_args()
    sequences = davis_sequences(options.folder, [name for name in options.sequences.split(",") if name])
    sam_pt = SamPt(load_preset(options.preset))
    scores: dict[Effort, list[MaskScore]] = {step: [] for step in sam_pt.efforts}
    for sequence in sequences:
        for step, found in scores.items():
            sam_pt.effort = step
            found.append(evaluate_sequence(sam_pt, sequence))
        print(f"{sequence.name:24}", "  ".join(f"{found[-1].jf:.3f}" for found in scores.values()), flush=True)
    for number, (step, found) in enumerate(scores.items()):
        milliseconds = sum(1000 / score.fps for score in found) / len(found)
        jf = MaskScore.mean(found).jf
        print(f"step {number}: J&F {jf:.3f}, {milliseconds:.1f} ms a frame, {step}")


if __name__ == "__main__":
    main()
