"""`sampt benchmark`: measure speed by stage and memory, also under load, and compare runs."""

from __future__ import annotations

import argparse
import itertools
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import sampt_ros
from sampt_ros.cli import common
from sampt_ros.errors import SamPtError
from sampt_ros.evaluation.oracle import OracleSegmenter, OracleTracker
from sampt_ros.evaluation.speed import benchmark, comparison
from sampt_ros.evaluation.speed.busy_processes import BusyProcesses
from sampt_ros.evaluation.synthetic_scene import Size
from sampt_ros.io.writing import require_writable
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.segmenters import NO_ONE_SHOT, build_segmenter
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import machine
from sampt_ros.weights.random_weights import random_weights

_SETTINGS = ("preset", "set", "random_weights", "frames", "warmup")  # the settings stored with a report


def add(commands: Any) -> None:
    """Add the command to a parser's subcommands."""
    parser = common.add_command(
        commands,
        "benchmark",
        _run,
        "measure speed by stage, and memory",
        """
        Tracks disks through a synthetic scene, for every combination of sizes, objects and points. Times are in
        milliseconds per frame, "median / 95th percentile"; memory is the peak of the whole process so far. If "tracked"
        is not close to 100%, objects were lost and the times are too good. With --random-weights no checkpoint is
        needed: networks compute as usual, and their outputs are replaced by the scene's ground truth.

        A machine's speed changes from minute to minute, so alternatives are measured in turn, --rounds times each:
        alone and with N busy processes (--beside), or this command and another one (--against). The other one is a
        command, such as '../before/.venv/bin/sampt benchmark', or options for this one, such as '--preset grabcut';
        --objects, --points, --sizes, --frames and --warmup are added to it.
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
    argument("--random-weights", action="store_true", help="measure a preset without its weights")
    argument("--beside", type=common.count, default=0, metavar="N", help="also measure beside N busy processes")
    argument(
        "--rounds", type=common.count, default=2, metavar="N", help="measurements of each alternative (default: 2)"
    )
    other = parser.add_mutually_exclusive_group().add_argument
    other("--compare", type=common.path, metavar="FILE", help="print ratios to a run that wrote FILE by --json")
    other("--against", metavar="COMMAND", help="measure another command in turn with this one, and print ratios")
    argument("--json", type=common.path, metavar="FILE", help="also write the numbers to FILE")
    common.add_config(parser)


def _run(parsed: argparse.Namespace) -> int:
    if parsed.json:
        require_writable(parsed.json)
    print(f"{machine()}; preset {parsed.preset}{', random weights' if parsed.random_weights else ''}")
    return _run_against(parsed) if parsed.against is not None else _run_here(parsed)


def _run_here(parsed: argparse.Namespace) -> int:
    """Measure in this process."""
    earlier = comparison.read_report(parsed.compare) if parsed.compare else None
    measurements = _measurements(parsed)
    print(benchmark.table(measurements))
    times = comparison.timings(measurements)
    if parsed.beside:
        alone = {case: timing for case, timing in times.items() if not case.beside}
        beside = {replace(case, beside=0): timing for case, timing in times.items() if case.beside}
        compared = comparison.ratios(beside, alone)
        print(comparison.ratio_table(compared, f"beside {parsed.beside}", "alone"))
    settings = {"machine": machine(), **{name: getattr(parsed, name) for name in _SETTINGS}}
    if parsed.json:
        rows = [measurement.as_json() for measurement in measurements]
        common.write_json(parsed.json, {**settings, "cases": rows})
    if earlier is not None:
        for name, value in settings.items():
            if name in earlier and earlier[name] != value:
                print(f"{name}: {value} now, {earlier[name]} in {parsed.compare}")
        print(comparison.ratio_table(comparison.ratios(times, earlier["timings"]), "now", "then"))
    return 0


def _measurements(parsed: argparse.Namespace) -> list[benchmark.Measurement]:
    sam_pt, oracles = _with_random_weights(parsed) if parsed.random_weights else (SamPt(common.config(parsed)), ())
    cases = [benchmark.Case(*case) for case in itertools.product(parsed.sizes, parsed.objects, parsed.points)]
    progress = tqdm(cases, unit="case", leave=False, disable=None)
    if not parsed.beside:
        return [benchmark.measure(sam_pt, case, parsed.frames, parsed.warmup, oracles) for case in progress]
    with BusyProcesses(parsed.beside) as others:
        pairs = [
            benchmark.measure_beside(sam_pt, case, parsed.frames, parsed.warmup, others, parsed.rounds, oracles)
            for case in progress
        ]
    return [measurement for pair in pairs for measurement in pair]


def _with_random_weights(parsed: argparse.Namespace) -> tuple[SamPt, tuple[OracleSegmenter, OracleTracker]]:
    config = common.config(parsed)
    with random_weights():
        oracles = OracleSegmenter(build_segmenter(config)), OracleTracker(build_point_tracker(config))
        # The benchmark uses no reference pictures, and a one-shot method would bypass the oracles.
        return SamPt(replace(config, one_shot=NO_ONE_SHOT), *oracles), oracles


def _run_against(parsed: argparse.Namespace) -> int:
    """Measure this command and another one in turn, each time in a new process."""
    common.config(parsed)  # raises ConfigError for wrong options before anything is measured
    own = ["--preset", parsed.preset, *(word for pair in parsed.set for word in ("--set", pair))]
    given = _words(parsed.against)
    other = [*_this_program(), *given] if not given or given[0].startswith("-") else given
    commands = {
        "here": [*_this_program(), *own, *(["--random-weights"] if parsed.random_weights else []), *_cases(parsed)],
        "against": [*other, *_cases(parsed)],
    }
    runs: dict[str, list[comparison.Timings]] = {name: [] for name in commands}
    turns = [
        (name, beside)
        for _ in range(parsed.rounds)
        for beside in ([False, True] if parsed.beside else [False])
        for name in commands
    ]
    with BusyProcesses(parsed.beside) as others:
        for name, beside in tqdm(turns, unit="run", leave=False, disable=None):
            if not beside:
                runs[name].append(comparison.times_of(commands[name]))
                continue
            with others.running():
                times = comparison.times_of(commands[name])
            runs[name].append({replace(case, beside=others.count): timing for case, timing in times.items()})
    compared = comparison.ratios(comparison.middle(runs["here"]), comparison.middle(runs["against"]))
    print(f"against {parsed.against}")
    print(comparison.ratio_table(compared, "here", "against"))
    if parsed.json:
        ratios = [ratio.as_json() for ratio in compared]
        settings = {name: getattr(parsed, name) for name in (*_SETTINGS, "against", "rounds")}
        common.write_json(parsed.json, {"machine": machine(), **settings, "ratios": ratios})
    return 0


def _words(command: str) -> list[str]:
    """The words of a command line; raises SamPtError."""
    try:
        return shlex.split(command)
    except ValueError as error:  # a quotation that does not end
        raise SamPtError(f"--against: expected a command, or options; got {command!r}: {error}") from None


def _this_program() -> list[str]:
    """The start of a command line that runs this same code from any folder."""
    folder = str(Path(sampt_ros.__file__).resolve().parents[1])
    code = f"import sys; sys.path[0] = {folder!r}; from sampt_ros.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", code, "benchmark"]


def _cases(parsed: argparse.Namespace) -> list[str]:
    """The arguments that select the cases, and the number of frames."""
    return [
        *("--objects", ",".join(map(str, parsed.objects))),
        *("--points", ",".join(map(str, parsed.points))),
        *("--sizes", ",".join(f"{width}x{height}" for width, height in parsed.sizes)),
        *("--frames", str(parsed.frames), "--warmup", str(parsed.warmup)),
    ]


def _sizes(text: str) -> list[Size]:
    matches = [re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", word) for word in text.split(",")]
    if None in matches:
        raise argparse.ArgumentTypeError(f"expected sizes such as 640x480,1280x720; got {text!r}")
    return [(int(match[1]), int(match[2])) for match in matches if match]
