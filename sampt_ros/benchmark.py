"""How fast each stage is, on a made-up scene in which every object moves and stays in view."""

from __future__ import annotations

import itertools
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sampt_ros.config import updated
from sampt_ros.errors import SamPtError
from sampt_ros.oracle import OracleSegmenter, OracleTracker
from sampt_ros.sam_pt import SamPt
from sampt_ros.structures import ObjectState

Size = tuple[int, int]  # (width, height) in pixels, as people say it

_SMALLEST_CELL = 16  # pixels a side that each object of a scene needs


class Scene:
    """Textured disks that circle before a textured background, which drifts as if the camera moved."""

    def __init__(self, size: Size, objects: int, seed: int = 0) -> None:
        self._width, self._height = size
        rng = np.random.default_rng(seed)
        self._margin = max(size) // 16
        self._background = _texture(
            (self._height + 2 * self._margin, self._width + 2 * self._margin), (110, 115, 120), rng
        )
        columns = int(np.ceil(np.sqrt(objects * self._width / self._height)))
        rows = -(-objects // columns)
        cell = min(self._width / columns, self._height / rows)
        if cell < _SMALLEST_CELL:
            raise SamPtError(f"expected room for {objects} objects of {_SMALLEST_CELL} pixels; got {size[0]}x{size[1]}")
        self._radius, self._swing = max(2, int(0.28 * cell)), 0.15 * cell
        places = itertools.islice(itertools.product(range(rows), range(columns)), objects)
        self._centers = [((x + 0.5) * self._width / columns, (y + 0.5) * self._height / rows) for y, x in places]
        side = 2 * self._radius + 1
        self._patches = [_texture((side, side), rng.uniform(40, 215, 3), rng) for _ in self._centers]
        self._phases = rng.uniform(0, 2 * np.pi, objects)
        y, x = np.ogrid[-self._radius : self._radius + 1, -self._radius : self._radius + 1]
        self._disk = x**2 + y**2 <= self._radius**2

    def image(self, index: int) -> np.ndarray:
        """Frame `index`: (H, W, 3) uint8 RGB."""
        drift = self._margin * (1 + np.array([np.sin(0.05 * index), np.cos(0.05 * index)]))
        left, top = drift.astype(int)
        image = self._background[top : top + self._height, left : left + self._width].copy()
        for window, patch in zip(self._windows(index), self._patches):
            image[window][self._disk] = patch[self._disk]
        return image

    def masks(self, index: int) -> list[np.ndarray]:
        """The true mask (H, W) bool of every object in frame `index`."""
        masks = []
        for window in self._windows(index):
            mask = np.zeros((self._height, self._width), bool)
            mask[window] = self._disk
            masks.append(mask)
        return masks

    def centers(self, index: int) -> np.ndarray:
        """(n, 2) xy pixels, whole numbers: the middle of every object in frame `index`."""
        angles = self._phases + 0.06 * index
        swing = self._swing * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return np.floor(np.array(self._centers) + swing)

    def _windows(self, index: int) -> Iterator[tuple[slice, slice]]:
        side = 2 * self._radius + 1
        for left, top in self.centers(index).astype(int) - self._radius:
            yield slice(top, top + side), slice(left, left + side)


def _texture(shape: tuple[int, int], color: Sequence[float] | np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(*shape, 3) uint8: blotches around a colour, which every tracker can follow."""
    blotches = cv2.GaussianBlur(rng.standard_normal((*shape, 3)).astype(np.float32), (0, 0), 3)
    return np.clip(np.asarray(color) + 35 * blotches / blotches.std(), 0, 255).astype(np.uint8)


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
    rate      frames per second, over all frames
    tracked   share of objects, over all frames, that were TRACKING: 1 in a fair measurement
    memory    peak of the whole process so far, MiB
    cuda      peak that torch had allocated on the GPU during this case, MiB, or None without one
    """

    case: Case
    stages: dict[str, tuple[float, float]]
    rate: float
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
            "frames_per_second": self.rate,
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

    _reset_cuda_peak()
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
    rate = 1000 * frames / sum(spent["total"])
    return Measurement(
        case, stages, rate, states.count(ObjectState.TRACKING) / len(states), _peak_memory(), _cuda_peak()
    )


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


def machine() -> str:
    """The CPU's name with the number of cores this process may use, and the GPU's where torch has one."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    names = [f"{_cpu_name()} ({usable} cores)"]
    torch = _torch_with_cuda()
    if torch:
        names.append(torch.cuda.get_device_name())
    return ", ".join(names)


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _peak_memory() -> float:
    """The most this process has held so far, MiB."""
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _torch_with_cuda() -> Any:
    """The torch module if the segmenter or tracker has imported it and there is a GPU, else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() else None


def _reset_cuda_peak() -> None:
    torch = _torch_with_cuda()
    if torch:
        torch.cuda.reset_peak_memory_stats()


def _cuda_peak() -> float | None:
    torch = _torch_with_cuda()
    return torch.cuda.max_memory_allocated() / 2**20 if torch else None
