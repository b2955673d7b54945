"""`sampt benchmark`: speed by stage, and memory."""

from __future__ import annotations

import argparse
import itertools
import re
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sampt_ros.cli import common
from sampt_ros.evaluation import benchmark
from sampt_ros.evaluation.oracle import OracleSegmenter, OracleTracker
from sampt_ros.evaluation.synthetic_scene import Size
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.segmenters import build_segmenter
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import machine


def add(commands: Any) -> None:
    """Add the command to the parser's."""
    parser = common.add_command(
        commands,
        "benchmark",
        _run,
        "measure speed by stage, and memory",
        """
        Tracks disks through a made-up scene, for every combination of sizes, objects and points. Times are milliseconds
        per frame, "median / 95th percentile"; memory is the peak of the whole process up to there. Where "tracked" is
        not near 100%, objects were lost on the way and the times are too good. With --random-weights no checkpoint is
        needed: networks compute as ever, and the scene's truth then stands in for their answers.
        """,
    )
    argument = parser.add_argument
    argument("--objects", type=common.counts, default=[1, 2, 5], metavar="N,N", help="objects (default: 1,2,5)")
    argument(
        "--points", type=common.counts, default=[8], metavar="N,N", help="points drawn on each object (default: 8)"
    )
    sizes = [(640, 480), (1280, 720)]
    argument("--sizes", type=_sizes, default=sizes, metavar="WxH,WxH", help="image sizes (default: 640x480,1280x720)")
    argument("--frames", type=common.count, default=60, metavar="N", help="frames measured (default: 60)")
    argument("--warmup", type=common.count, default=10, metavar="N", help="frames before that (default: 10)")
    argument("--random-weights", action="store_true", help="measure a preset whose weights are not there")
    argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    common.add_config(parser)


def _run(parsed: argparse.Namespace) -> int:
    sam_pt, oracles = _with_random_weights(parsed) if parsed.random_weights else (SamPt(common.config(parsed)), ())
    name = machine()
    print(f"{name}; preset {parsed.preset}{', random weights' if parsed.random_weights else ''}")
    cases = [benchmark.Case(*case) for case in itertools.product(parsed.sizes, parsed.objects, parsed.points)]
    progress = tqdm(cases, unit="case", leave=False, disable=None)
    measurements = [benchmark.measure(sam_pt, case, parsed.frames, parsed.warmup, oracles) for case in progress]
    print(benchmark.table(measurements))
    if parsed.json:
        rows = [measurement.as_json() for measurement in measurements]
        settings = {"preset": parsed.preset, "random_weights": parsed.random_weights, "frames": parsed.frames}
        common.write_json(parsed.json, {"machine": name, **settings, "cases": rows})
    return 0


def _with_random_weights(parsed: argparse.Namespace) -> tuple[SamPt, tuple[OracleSegmenter, OracleTracker]]:
    from sampt_ros.weights.loading import random_weights  # torch

    config = common.config(parsed)
    with random_weights():
        oracles = OracleSegmenter(build_segmenter(config)), OracleTracker(build_point_tracker(config))
    return SamPt(config, *oracles), oracles


def _sizes(text: str) -> list[Size]:
    matches = [re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", word) for word in text.split(",")]
    if None in matches:
        raise argparse.ArgumentTypeError(f"expected sizes such as 640x480,1280x720; got {text!r}")
    return [(int(match[1]), int(match[2])) for match in matches if match]
