"""Measures how much time PIPS saves by keeping each frame's feature map instead of encoding the whole window again.

Both variants track the same points through the same frames in one process, in turns. The weights are random, because
the time does not depend on them.

    python benchmarks/pips_kept_maps.py --size 640x480 --points 8
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque

import numpy as np
import torch
from tqdm import tqdm

from sampt_ros.config.point_trackers import PipsConfig
from sampt_ros.data_types import Frame
from sampt_ros.evaluation.synthetic_scene import Scene
from sampt_ros.point_trackers.pips.network import Pips
from sampt_ros.point_trackers.pips.tracker import PipsTracker
from sampt_ros.utils.machine import machine


def main() -> None:
    """Print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="640x480", help="of the images (default: 640x480)")
    parser.add_argument("--points", type=int, default=8, help="points followed (default: 8)")
    parser.add_argument("--frames", type=int, default=8, help="frames measured (default: 8)")
    parsed = parser.parse_args()
    width, height = map(int, parsed.size.split("x"))
    torch.manual_seed(0)
    network = Pips().eval()
    iterations = PipsConfig().iterations
    scene = Scene((width, height), 1)
    xy = np.random.default_rng(0).uniform((0, 0), (width - 1, height - 1), (parsed.points, 2)).astype(np.float32)

    stream = PipsTracker(network, device="cpu")
    recent = deque([Frame(index, scene.image(index)) for index in range(network.window)], maxlen=network.window)
    for frame in recent:
        stream.update(frame)
    stream.add(np.arange(parsed.points), xy, [recent[-1]])
    times: dict[str, list[float]] = {"stream": [], "window": []}
    for index in tqdm(range(network.window, network.window + parsed.frames), unit="frame"):
        recent.append(Frame(index, scene.image(index)))
        start = time.perf_counter()
        stream.update(recent[-1])
        times["stream"].append(time.perf_counter() - start)
        images, start = np.stack([frame.image for frame in recent]), time.perf_counter()
        with torch.inference_mode():
            network(torch.from_numpy(images), torch.from_numpy(xy), iterations=iterations)
        times["window"].append(time.perf_counter() - start)
    kept, again = (1000 * statistics.median(times[name]) for name in ("stream", "window"))
    print(f"{machine()}; {parsed.size}, {parsed.points} points, median of {parsed.frames} frames")
    print(f"kept maps {kept:.0f} ms, window encoded again {again:.0f} ms: {again / kept:.1f} times as long")


if __name__ == "__main__":
    main()
