"""Bags with depth beside their images, and the distances that are found in them."""

from __future__ import annotations

import bags
import numpy as np

from sampt_ros.bags.reader import BagReader
from sampt_ros.bags.topics import choose_inputs, inspect_topics
from sampt_ros.bags.tracker import BagTracker
from sampt_ros.cli.options.prompts import parse_starts
from sampt_ros.config.node import NodeConfig
from sampt_ros.geometry.camera import Pinhole

FOCAL, HEIGHT, WIDTH = 50.0, 48, 64
CAMERA = Pinhole(np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]]), np.zeros(0), "", WIDTH, HEIGHT)
INFO = bags.camera_info(0, FOCAL, HEIGHT, WIDTH)
MS = 1_000_000


def wall(metres: float, kind: type = np.float32) -> np.ndarray:
    """(H, W): everything so far away."""
    return np.full((HEIGHT, WIDTH), metres * (1000 if kind is np.uint16 else 1), kind)


def tracked(path, sam_pt, slop: float = 0.02, points=("20,20",)):
    """What the tracker makes of a bag, and the tracker."""
    with BagReader(path) as bag:
        inputs = choose_inputs(bag.topics, inspect_topics(bag))
        tracker = BagTracker(sam_pt, inputs, parse_starts(points, [], []), NodeConfig(depth_slop=slop))
        return list(tracker.track(bag)), tracker


def depths(results) -> list[float | None]:
    """How far away object 1 is in each image; None without depth."""
    return [None if each.surfaces is None else round(float(each.surfaces[1].centre[2]), 3) for each in results]
