"""How fast each stage is, on a made-up scene in which every object moves and stays in view."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sampt_ros.config.options import updated
from sampt_ros.data_types import ObjectState
from sampt_ros.evaluation.oracle import OracleSegmenter, OracleTracker
from sampt_ros.evaluation.synthetic_scene import Scene, Size
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import cuda_peak, peak_memory, reset_cuda_peak


@dataclass(frozen=True)
class Case:
    """What is measured: so many objects with so many points each, on images of a size."""

    size: Size
    objects: int
    points: int


@dataclass(frozen=True)
class Measurement:
    """What one case took.

    stages    stage, and "total" -> (median, 95th percentile) in milliseconds per frame
    tracked   share of objects, over all frames, that were TRACKING: 1 in a fair measurement
    memory    peak of the whole process so far, MiB
    cuda      peak that torch had allocated on the GPU during this case, MiB, or None without one
    """

    case: Case
    stages: dict[str, tuple[float, float]]
    tracked: float
    memory: float
    cuda: float | None

    def fields(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "size": list(self.case.size),
            "objects": self.case.objects,
            "points": self.case.points,
            "stages_ms": {name: {"median": median, "p95": p95} for name, (median, p95) in self.stages.items()},
            "tracked": self.tracked,
            "memory_mib": self.memory,
            "cuda_mib": self.cuda,
        }


def measure(
    sam_pt: SamPt, case: Case, frames: int, warmup: int, oracles: Sequence[OracleSegmenter | OracleTracker] = ()
) -> Measurement:
    """Track a case's scene from its true masks for `warmup` frames, which do not count, and then `frames`.

    oracles: those of `sam_pt`'s parts that are to be told the truth
    """
    scene = Scene(case.size, case.objects)
    for oracle in oracles:
        oracle.truth = scene
    sam_pt.reset()
    sam_pt.config = updated(sam_pt.config, {"points.positive": case.points, "max_objects": max(case.objects, 16)})
    sam_pt.step(scene.image(0))
    for mask in scene.masks(0):
        sam_pt.add_object(mask=mask)

    reset_cuda_peak()
    spent: dict[str, list[float]] = {"total": []}
    states: list[ObjectState] = []
    for index in range(1, warmup + frames + 1):
        image = scene.image(index)
        start = time.perf_counter()
        result = sam_pt.step(image)
        total = 1000 * (time.perf_counter() - start)
        if index > warmup:
            for stage, milliseconds in {"total": total, **result.stages}.items():
                spent.setdefault(stage, []).append(milliseconds)
            states += [item.state for item in result.objects]
    stages = {stage: (float(np.median(each)), float(np.percentile(each, 95))) for stage, each in spent.items()}
    return Measurement(case, stages, states.count(ObjectState.TRACKING) / len(states), peak_memory(), cuda_peak())


def table(measurements: Sequence[Measurement]) -> str:
    """The measurements as text, one row per case: "median / 95th percentile" of every stage."""
    stages = list(dict.fromkeys(stage for measurement in measurements for stage in measurement.stages))
    with_cuda = any(measurement.cuda is not None for measurement in measurements)
    rows = [["size", "objects", "points", *stages, "tracked", "memory", *(["GPU memory"] if with_cuda else [])]]
    for measurement in measurements:
        case = measurement.case
        times = [measurement.stages.get(stage) for stage in stages]
        rows.append(
            [
                f"{case.size[0]}x{case.size[1]}",
                str(case.objects),
                str(case.points),
                *("" if pair is None else f"{pair[0]:.1f} / {pair[1]:.1f}" for pair in times),
                f"{measurement.tracked:.0%}",
                f"{measurement.memory:.0f} MiB",
                *([] if measurement.cuda is None else [f"{measurement.cuda:.0f} MiB"]),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in rows)
