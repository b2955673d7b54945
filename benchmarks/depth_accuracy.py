"""Measures 3D accuracy in the demo's scene, whose depth and masks are known.

For each object it prints how far its centre is from the true one, and how many of its 3D points lie outside its true
mask.

python examples/demo/render.py --depth --out DIR     # once; needs MuJoCo, see examples/demo/README.md
python benchmarks/depth_accuracy.py DIR/tabletop_depth.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import yaml

from sampt_ros.config.presets import load_preset
from sampt_ros.data_types import POSITIVE, FrameResult
from sampt_ros.geometry.camera import Pinhole
from sampt_ros.geometry.surfaces import in_metres, object_surfaces
from sampt_ros.io.video import open_source
from sampt_ros.tracking.sam_pt import SamPt

DEMO = Path(__file__).resolve().parents[1] / "examples/demo"


def tracked(preset: str, clicks: list[list[float]]) -> list[FrameResult]:
    """The results of all frames; clicks: (x, y) pixels on each object in the first frame."""
    sam_pt = SamPt(load_preset(preset))
    results: list[FrameResult] = []
    with open_source(str(DEMO / "tabletop.mp4")) as video:
        for image in video:
            if not results:
                sam_pt.step(image)
                for click in clicks:
                    sam_pt.add_object(np.array([click], np.float32), np.array([POSITIVE], np.uint8))
            results.append(sam_pt.step(image))
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("depth", type=Path, help="the scene's depth, as examples/demo/render.py --depth writes it")
    parser.add_argument("--preset", default="default", help="default: default")
    options = parser.parse_args()
    scene = yaml.safe_load((DEMO / "tabletop.yaml").read_text())
    labels = np.load(DEMO / "tabletop_labels.npz")["labels"]
    depths = np.load(options.depth)["depth"]
    width, height = scene["size"]
    camera = Pinhole(np.array(scene["K"]), np.array(scene["distortion"]), "plumb_bob", width, height)
    results = tracked(options.preset, [click["point"] for click in scene["clicks"]])

    print("object: frames, distance of the centres in mm (mean, 95th percentile), frames within 1 cm, points outside")
    for number, click in enumerate(scene["clicks"], start=1):
        off, outside, points = [], 0, 0
        for result, label, raw in zip(results, labels, depths):
            depth = in_metres(raw, (height, width))
            surface, true = object_surfaces(result, depth, camera)[number], label == click["object"]
            if surface.has_pose and true.any():
                seen = camera.rays[true] * depth[true][:, None]
                off.append(np.linalg.norm(surface.centre - np.median(seen, axis=0)))
            x, y = surface.xy.T
            outside += int(np.count_nonzero(~true[y, x]))
            points += len(surface.xy)
        mean, late = 1000 * np.mean(off), 1000 * np.percentile(off, 95)
        within, beside = np.mean(np.array(off) <= 0.01), outside / max(points, 1)
        name = scene["objects"][click["object"]]
        print(f"{name}: {len(off)}, {mean:.1f} {late:.1f}, {100 * within:.0f} %, {100 * beside:.2f} %")


if __name__ == "__main__":
    main()
