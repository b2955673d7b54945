"""Measures how fast every preset is on a GPU, stage by stage, and how often the CPU waits for the GPU in a frame.

    python benchmarks/gpu.py --write docs/performance.md
    python benchmarks/gpu.py --dry-run

Weights are random, because the time does not depend on their values. The networks run, but their results are replaced
by the ground truth of a synthetic scene. The stages are measured in a separate run, in which each stage waits for the
GPU. They add up to more than the time of a frame in normal use, where the image encoder and the point tracker run at
the same time.
"""

from __future__ import annotations

import argparse
import gc
import json
import shlex
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from marked_tables import between_markers, table

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.presets import load_preset
from sampt_ros.evaluation.oracle import OracleSegmenter, OracleTracker
from sampt_ros.evaluation.speed.benchmark import Case, measure
from sampt_ros.evaluation.synthetic_scene import Scene, Size
from sampt_ros.point_trackers import build_point_tracker
from sampt_ros.segmenters import build_segmenter
from sampt_ros.segmenters.base import Segmenter
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import machine
from sampt_ros.utils.stage_timer import StageClock
from sampt_ros.weights.random_weights import random_weights

_NAME = "benchmarks/gpu.py"
_STAGES = ("encoding", "tracking", "decoding")

VARIANTS: dict[str, tuple[str, Mapping[str, Any]]] = {  # Name in the table -> preset, and changes of its parameters.
    "sam_vit_h": ("sam_vit_h", {}),
    "mobile_sam": ("mobile_sam", {}),
    "default": ("default", {}),
    "sam_vit_b": ("sam_vit_b", {}),
    "sam_vit_l": ("sam_vit_l", {}),
    "sam_hq_vit_h": ("sam_hq_vit_h", {}),
    "sam_vit_h_reinit": ("sam_vit_h_reinit", {}),
    "mobile_sam, raft": ("mobile_sam", {"point_tracker": "raft"}),
    "sam_vit_h, compiled": ("sam_vit_h", {"sam.compile": True}),
    "mobile_sam, compiled": ("mobile_sam", {"mobile_sam.compile": True}),
}

_BRIEFLY: dict[str, Any] = {  # Changes of parameters that make a dry run short.
    "prompting.refinements": 1,
    "points.negative": 1,
    "pips.iterations": 1,
    "raft.iterations": 1,
    "reinit.horizon": 1,
}


@dataclass(frozen=True)
class Row:
    """One row of the table; times in milliseconds per frame.

    name     name of the variant
    size     (width, height) of the images, pixels
    objects  number of objects
    rate     frames per second, over all measured frames
    total    median and 95th percentile of the whole step
    stages   median time of each stage, in a run in which each stage waits for the GPU
    waits    how often the CPU waits for the GPU in a frame
    memory   peak memory that torch allocated on the GPU, MiB
    tracked  share of objects with a mask; the measurement is valid only if it is 1
    """

    name: str
    size: tuple[int, int]
    objects: int
    rate: float
    total: tuple[float, float]
    stages: dict[str, float]
    waits: float
    memory: float
    tracked: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns 1 if a case failed."""
    parsed = _parser().parse_args(arguments)
    if parsed.dry_run:
        parsed.sizes, parsed.objects, parsed.frames, parsed.warmup = [(96, 64)], [1], 1, 1
    device = "cpu" if parsed.dry_run else "cuda"
    deadline = time.monotonic() + 60 * parsed.minutes
    rows: list[Row] = []
    failed = 0
    for name in parsed.variants:
        if parsed.dry_run and "compiled" in name:  # To compile for a CPU takes minutes.
            continue
        try:
            for row in _measured(name, device, parsed, deadline):
                rows.append(row)
                print(_line(row), flush=True)
        except Exception:  # The other variants are still measured.
            failed += 1
            print(f"{name}: {traceback.format_exc()}", flush=True)
        if parsed.json:
            parsed.json.write_text(json.dumps({"machine": machine(), "rows": [asdict(row) for row in rows]}))
        if device == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
    command = shlex.join(["python", "benchmarks/gpu.py", *(sys.argv[1:] if arguments is None else arguments)])
    cells = table(_HEADINGS, map(_cells, rows))
    text = f"{machine()}, torch {torch.__version__}:\n\n    {command}\n\n{cells}"
    print(text)
    if parsed.write:
        parsed.write.write_text(between_markers(parsed.write.read_text(), _NAME, text))
    return int(failed > 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    argument = parser.add_argument
    argument("--variants", type=_names, default=list(VARIANTS), metavar="A;B", help=f"of {'; '.join(VARIANTS)}")
    argument("--sizes", type=_sizes, default=[(640, 480), (1280, 720)], metavar="WxH,WxH", help="image sizes")
    argument("--objects", type=_counts, default=[1, 2, 5, 10], metavar="N,N", help="objects (default: 1,2,5,10)")
    argument("--frames", type=int, default=40, metavar="N", help="measured frames of each case (default: 40)")
    argument("--warmup", type=int, default=12, metavar="N", help="frames before these (default: 12)")
    argument("--minutes", type=float, default=10, metavar="N", help="start no new case after this time (default: 10)")
    argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    argument("--write", type=Path, metavar="FILE", help="put the table between this file's markers")
    argument("--dry-run", action="store_true", help="run everything briefly on a CPU, with tiny models")
    return parser


def _measured(name: str, device: str, parsed: argparse.Namespace, deadline: float) -> Iterator[Row]:
    """The rows of one variant, until the time is up."""
    preset, changes = VARIANTS[name]
    config = load_preset(preset, {**changes, "device": device, **(_BRIEFLY if parsed.dry_run else {})})
    oracles = _oracles(config, parsed.dry_run)
    sam_pt = SamPt(config, *oracles)
    for size in parsed.sizes:
        for objects in parsed.objects:
            if time.monotonic() > deadline:
                print(f"{name}: no time left for {objects} objects at {size[0]}x{size[1]}")
                return
            case = Case(size, objects, config.points.positive)
            yield _case(name, sam_pt, case, parsed.frames, parsed.warmup, oracles)


def _oracles(config: SamPtConfig, tiny: bool) -> tuple[OracleSegmenter, OracleTracker]:
    """The networks of a preset with random weights, made on its device, because moving large ones there takes long."""
    place = torch.device("cpu" if config.device == "cpu" else "cuda")
    with random_weights(), place:
        segmenter = _tiny(config) if tiny else build_segmenter(config)
        return OracleSegmenter(segmenter), OracleTracker(build_point_tracker(config))


def _tiny(config: SamPtConfig) -> Segmenter[Any, Any]:
    """The segmenter of a preset, with a tiny model in place of a large one."""
    import tiny_models

    from sampt_ros.segmenters.sam.hq import SamHq
    from sampt_ros.segmenters.sam.mobile import MobileSam
    from sampt_ros.segmenters.sam.segmenter import Sam

    kinds: dict[str, tuple[type[Sam], Callable[[], Any]]] = {
        "sam": (Sam, tiny_models.sam),
        "sam_hq": (SamHq, tiny_models.sam_hq),
        "mobile_sam": (MobileSam, tiny_models.mobile_sam),
    }
    if config.segmenter not in kinds:
        return build_segmenter(config)
    segmenter, model = kinds[config.segmenter]
    return segmenter(model(), config.device)


def _case(
    name: str,
    sam_pt: SamPt,
    case: Case,
    frames: int,
    warmup: int,
    oracles: tuple[OracleSegmenter, OracleTracker],
) -> Row:
    free = measure(sam_pt, case, frames, warmup, oracles)
    waits = _waits(sam_pt, case, warmup + frames + 1)
    with _stages_waited_for():
        apart = measure(sam_pt, case, max(frames // 4, 1), warmup, oracles)
    return Row(
        name,
        case.size,
        case.objects,
        free.rate,
        (free.stages["total"].median, free.stages["total"].p95),
        {stage: apart.stages[stage].median for stage in _STAGES},
        waits,
        free.cuda or 0.0,
        free.tracked,
    )


def _waits(sam_pt: SamPt, case: Case, first: int, frames: int = 4) -> float:
    """How often the CPU waits for the GPU in a frame; the stream continues with frame `first` of the scene."""
    scene = Scene(case.size, case.objects)
    if not torch.cuda.is_available():
        sam_pt.step(scene.image(first))
        return 0.0
    images = [scene.image(first + index) for index in range(frames)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            for image in images:
                sam_pt.step(image)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught) / frames


@contextmanager
def _stages_waited_for() -> Iterator[None]:
    """A context in which a stage ends only when the GPU has finished its work."""
    if not torch.cuda.is_available():
        yield
        return
    StageClock.settle = torch.cuda.synchronize
    try:
        yield
    finally:
        StageClock.settle = None


_HEADINGS = ("preset", "size", "objects", "frames/s", "whole step", *_STAGES, "waits", "GPU memory", "tracked")


def _cells(row: Row) -> list[str]:
    return [
        row.name,
        f"{row.size[0]}x{row.size[1]}",
        str(row.objects),
        f"{row.rate:.0f}",
        f"{row.total[0]:.1f} / {row.total[1]:.1f}",
        *(f"{row.stages[stage]:.1f}" for stage in _STAGES),
        f"{row.waits:.1f}",
        f"{row.memory:.0f} MiB",
        f"{row.tracked:.0%}",
    ]


def _line(row: Row) -> str:
    return ", ".join(f"{heading} {cell}" for heading, cell in zip(_HEADINGS, _cells(row)))


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(";")]
    if unknown := [name for name in names if name not in VARIANTS]:
        raise argparse.ArgumentTypeError(f"unknown {unknown[0]!r}; expected some of {'; '.join(VARIANTS)}")
    return names


def _counts(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _sizes(text: str) -> list[Size]:
    return [(int(width), int(height)) for width, height in (word.split("x") for word in text.split(","))]


if __name__ == "__main__":
    sys.exit(main())
