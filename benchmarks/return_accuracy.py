"""Measures whether a can that was hidden is found again, and never its twin.

The demo's scene has a second, identical can, and a card that hides the first one for a while.

python examples/demo/render.py --twin --full-occlusion 1 --out DIR    # once; needs MuJoCo, see examples/demo/README.md
python benchmarks/return_accuracy.py DIR [DIR ...]

It prints a row for each folder: the number of frames in which the can is hidden, of frames with a mask on the twin, of
frames with a mask while the can is hidden, of frames from its reappearance to a mask of J >= 0.5, and the mean J of the
frames in which the can is visible. The exit status is 1 if a mask was on the twin, or the can was not found again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import yaml

from sampt_ros.config.presets import load_preset
from sampt_ros.evaluation.metrics import region_similarity
from sampt_ros.io.video import open_source
from sampt_ros.tracking.sam_pt import SamPt

CAN, TWIN = 1, 8  # labels in the scene
SEEN = 50  # If at least this many pixels of the can are visible, it counts as visible.


def masks(folder: Path, preset: str) -> np.ndarray:
    """(frames, H, W) bool: the masks of the can, which is clicked in the first frame."""
    clicks = yaml.safe_load((folder / "tabletop.yaml").read_text())["clicks"]
    point = next(click["point"] for click in clicks if click["object"] == CAN)
    sam_pt = SamPt(load_preset(preset))
    found: list[np.ndarray] = []
    with open_source(str(folder / "tabletop.mp4")) as video:
        for image in video:
            result = sam_pt.step(image)
            found.append(result.objects[0].mask if found else sam_pt.add_object([point]).mask)
    return np.stack(found)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="what render.py wrote")
    parser.add_argument("--preset", default="default", help="default: default")
    options = parser.parse_args()
    is_good = True
    print(f"{'folder':24}  hidden  on the twin  while hidden  regained after  J where seen")
    for folder in options.folders:
        truth = np.load(folder / "tabletop_labels.npz")["labels"]
        found = masks(folder, options.preset)
        seen = (truth == CAN).sum((1, 2)) >= SEEN
        overlap = np.array([region_similarity(true == CAN, mask) for true, mask in zip(truth, found)])
        on_twin = sum(2 * np.count_nonzero(mask & (true == TWIN)) > mask.sum() for true, mask in zip(truth, found))
        while_hidden = int(np.count_nonzero(found.any((1, 2)) & ~seen))
        back = int(np.flatnonzero(~seen).max()) + 1
        good = np.flatnonzero(overlap[back:] >= 0.5)
        after = int(good[0]) if len(good) else None
        is_good &= not on_twin and after is not None
        counts = f"{np.count_nonzero(~seen):6}  {on_twin:11}  {while_hidden:12}  {after!s:>14}"
        print(f"{folder!s:24}  {counts}  {overlap[seen].mean():12.3f}")
    raise SystemExit(0 if is_good else 1)


if __name__ == "__main__":
    main()
