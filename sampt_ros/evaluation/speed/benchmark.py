"""Measures the time of each stage on a synthetic scene, in which every object moves and stays in view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import ObjectState
from sampt_ros.evaluation.masks import follow
from sampt_ros.evaluation.oracle import OracleSegmenter, OracleTracker
from sampt_ros.evaluation.scores import Column, Score, Table
from sampt_ros.evaluation.speed.busy_processes import BusyProcesses
from sampt_ros.evaluation.synthetic_scene import Scene, Size
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import cuda_peak, peak_memory, reset_cuda_peak


@dataclass(frozen=True)
class Case:
    """A case to measure: image size (width, height) in pixels, number of objects, and of points on each.

    beside  number of other processes that keep the machine busy meanwhile
    """

    size: Size
    objects: int
    points: int
    beside: int = 0

    def __str__(self) -> str:
        """The case in words."""
        beside = f" beside {self.beside}" if self.beside else ""
        return f"{self.size[0]}x{self.size[1]} with {self.objects} objects of {self.points} points{beside}"


CASE_COLUMNS = (
    Column("case.size", "size", "{0[0]}x{0[1]}", "size"),
    Column("case.objects", "objects", "{}", "objects"),
    Column("case.points", "points", "{}", "points"),
    Column("case.beside", "beside", "{}", "beside"),
)  # The columns of a `case`, in every table.


@dataclass(frozen=True)
class Timing:
    """Time per frame: median and 95th percentile over the frames, milliseconds."""

    median: float
    p95: float

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> Timing:
        """From the times of at least one frame."""
        return cls(float(np.median(milliseconds)), float(np.percentile(milliseconds, 95)))


@dataclass(frozen=True)
class Measurement(Score):
    """The measurement of one case.

    stages   time per frame of "total" and of every stage
    rate     frames per second, over all frames together
    tracked  fraction of objects, over all frames, that were TRACKING, 0..1; 1 in a valid measurement
    memory   peak memory of the process so far, MiB
    cuda     peak GPU memory that torch allocated while tracking, MiB; None without a GPU
    """

    columns = (
        *CASE_COLUMNS,
        Column("stages", "{}", "{0.median:.1f} / {0.p95:.1f}", "stages_ms"),
        Column("rate", "frames/s", "{:.1f}", "frames_per_second"),
        Column("tracked", "tracked", "{:.0%}", "tracked"),
        Column("memory", "memory", "{:.0f} MiB", "memory_mib"),
        Column("cuda", "GPU memory", "{:.0f} MiB", "cuda_mib"),
    )

    case: Case
    stages: Mapping[str, Timing]
    rate: float
    tracked: float
    memory: float
    cuda: float | None


@dataclass(frozen=True)
class Run:
    """The raw measurements of tracking a scene once.

    milliseconds  "total" and every stage, for each frame that had it
    states        of all objects in all frames
    """

    milliseconds: Mapping[str, Sequence[float]]
    states: Sequence[ObjectState]


def measure(
    sam_pt: SamPt, case: Case, frames: int, warmup: int, oracles: Sequence[OracleSegmenter | OracleTracker] = ()
) -> Measurement:
    """Track a case's scene from its true masks for `warmup` frames, which do not count, and then for `frames`.

    frames   at least 1
    oracles  parts of `sam_pt` that return the ground truth; they get that of this scene

    Raises SamPtError if the scene's objects do not fit into an image of that size.
    """
    return _together(case, [_run(sam_pt, case, frames, warmup, oracles)])


def measure_beside(
    sam_pt: SamPt,
    case: Case,
    frames: int,
    warmup: int,
    others: BusyProcesses,
    rounds: int,
    oracles: Sequence[OracleSegmenter | OracleTracker] = (),
) -> tuple[Measurement, Measurement]:
    """Measure alone and beside other processes, alternately, `rounds` times each.

    Raises what `measure` raises.
    """
    alone, beside = [], []
    for _ in range(rounds):
        alone.append(_run(sam_pt, case, frames, warmup, oracles))
        with others.running():
            beside.append(_run(sam_pt, case, frames, warmup, oracles))
    return _together(case, alone), _together(replace(case, beside=others.count), beside)


def _run(
    sam_pt: SamPt, case: Case, frames: int, warmup: int, oracles: Sequence[OracleSegmenter | OracleTracker]
) -> Run:
    scene = Scene(case.size, case.objects)
    for oracle in oracles:
        oracle.truth = scene
    max_objects = max(case.objects, SamPtConfig().max_objects)
    sam_pt.config = updated(sam_pt.config, {"points.positive": case.points, "max_objects": max_objects})

    def start() -> None:
        for mask in scene.masks(0):
            sam_pt.add_object(mask=mask)
        reset_cuda_peak()

    images = ((index, scene.image(index)) for index in range(1 + warmup + frames))
    milliseconds: dict[str, list[float]] = {"total": []}
    states: list[ObjectState] = []
    for frame in follow(sam_pt, images, start):
        if frame.index > warmup:
            for stage, spent in {"total": 1000 * frame.seconds, **frame.result.stages}.items():
                milliseconds.setdefault(stage, []).append(spent)
            states += [item.state for item in frame.result.objects]
    return Run(milliseconds, states)


def _together(case: Case, runs: Sequence[Run]) -> Measurement:
    """The measurement of all frames of at least one run."""
    milliseconds: dict[str, list[float]] = {}
    for run in runs:
        for stage, spent in run.milliseconds.items():
            milliseconds.setdefault(stage, []).extend(spent)
    states = [state for run in runs for state in run.states]
    stages = {stage: Timing.of(each) for stage, each in milliseconds.items()}
    rate = 1000 * len(milliseconds["total"]) / sum(milliseconds["total"])
    tracked = states.count(ObjectState.TRACKING) / len(states)
    return Measurement(case, stages, rate, tracked, peak_memory(), cuda_peak())


def table(measurements: Sequence[Measurement]) -> str:
    """At least one measurement as text, a row each: "median / 95th percentile" of every stage, milliseconds."""
    absent = set()
    if all(measurement.cuda is None for measurement in measurements):
        absent.add("cuda")
    if not any(measurement.case.beside for measurement in measurements):
        absent.add("case.beside")
    columns = [column for column in Measurement.columns if column.name not in absent]
    text = Table(measurements, columns)
    return "\n".join([text.heading, *map(text.row, measurements)])
