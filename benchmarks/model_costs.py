"""Measures what each point tracker, segmenter and mask propagator costs: the time of a frame, and whether memory grows.

    python benchmarks/model_costs.py --write docs/models.md    # times, as a column of the page's tables
    python benchmarks/model_costs.py --memory                  # MiB of the process after 100, 200, 300 frames

Weights are random, because neither depends on their values. A model whose package is missing is left out, with a
message. On a CPU, times are CPU time on one core, so that other programs hardly change them; on a GPU they are
wall-clock time. Memory is measured with networks of few layers, because what is kept of earlier frames must not grow,
whatever the size of the network.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import tiny_models
import torch
from marked_tables import between_markers, table

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.errors import SamPtError
from sampt_ros.evaluation.synthetic_scene import Scene
from sampt_ros.mask_propagators import MASK_PROPAGATORS, build_mask_propagator
from sampt_ros.point_trackers import POINT_TRACKERS, build_point_tracker
from sampt_ros.segmenters import SEGMENTERS, build_segmenter
from sampt_ros.segmenters.base import Prompts
from sampt_ros.utils.machine import machine
from sampt_ros.utils.torch_device import torch_device

_NAME = "benchmarks/model_costs.py"
_POINTS = 8
_WARM_UP, _MEASURED = 8, 5  # frames
_ENOUGH = 20.0  # seconds after which no more frames of a model are measured
_COLUMN = "ms a frame here"
TABLES: dict[
    str, tuple[Mapping[str, Any], str]
] = {  # Heading of the table in docs/models.md -> its models, and the parameter that names one.
    "Point trackers": (POINT_TRACKERS, "point_tracker"),
    "Segmenters": (SEGMENTERS, "segmenter"),
    "Mask propagators": (MASK_PROPAGATORS, "mask_propagator"),
}
Step = Callable[[Frame], object]  # A function that is called with each frame.


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for; returns 0."""
    parsed = _parser().parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if parsed.memory:
        _print_memory(parsed.names, parsed.frames)
        return 0
    width, height = map(int, parsed.size.split("x"))
    scene = Scene((width, height), 1)
    page = parsed.write.read_text() if parsed.write else ""
    for heading, (models, parameter) in TABLES.items():
        times = {}
        for name in models:
            if parsed.names and name not in parsed.names:
                continue
            try:
                times[name] = 1000 * _seconds(_stepping(parameter, name, scene, parsed.device), scene, parsed.device)
            except SamPtError as error:
                print(f"{heading}: {name} is left out: {error}", flush=True)
                continue
            print(f"{heading}: {name} {_shown(times[name])} ms", flush=True)
            gc.collect()
        page = with_column(page, heading, times) if page else ""
    if parsed.write:
        parsed.write.write_text(between_markers(page, _NAME, _conditions(parsed)))
    return 0


def _conditions(parsed: argparse.Namespace) -> str:
    """How the times were measured, in words for the page."""
    clock = "of the clock" if torch_device(parsed.device).type == "cuda" else "of one core"
    load = f"load average {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    circumstances = [machine(), load, parsed.size, f"{_POINTS} points", "the default model of each", "random weights"]
    return f"Time {clock}; {', '.join(filter(None, circumstances))}:\n\n    python {_NAME} --write {parsed.write}"


def _stepping(parameter: str, name: str, scene: Scene, device: str) -> Step:
    """A function that follows one object with a model of the published size and random weights, frame by frame."""
    config = updated(SamPtConfig(), {parameter: name, "device": device, "random_weights": True})
    if parameter == "point_tracker":
        return following_points(build_point_tracker(config), scene)
    if parameter == "segmenter":
        return segmenting(build_segmenter(config), scene)
    return propagating(build_mask_propagator(config), scene)


def following_points(tracker: Any, scene: Scene) -> Step:
    """A function that tracks points of one object through a scene, frame by frame."""
    first, (mask,) = Frame(0, scene.image(0)), scene.masks(0)
    tracker.update(first)
    y, x = np.nonzero(mask)
    rows = np.linspace(0, len(x) - 1, _POINTS).astype(int)
    tracker.add(np.arange(_POINTS), np.stack([x, y], 1)[rows].astype(np.float32), [first])
    return tracker.update  # type: ignore[no-any-return]


def segmenting(segmenter: Any, scene: Scene) -> Step:
    """A function that segments one object in each frame of a scene, by points and the mask of the frame before."""
    (mask,), first = scene.masks(0), segmenter.encode(Frame(0, scene.image(0)))
    memory = segmenter.remember(first, LocalMask.of(mask), segmenter.remember(first, LocalMask.of(mask), None))

    def step(frame: Frame) -> None:
        nonlocal memory
        (before,), xy = scene.masks(max(0, frame.index - 1)), scene.centers(frame.index).astype(np.float32)
        embedding = segmenter.encode(frame)
        logits = segmenter.mask_prompt(embedding, [LocalMask.of(before)])
        points = [np.repeat(xy, _POINTS, 0)]
        prompts: Prompts[Any] = Prompts.pack(points, [np.zeros((0, 2))], logits=logits, memories=[memory])
        segmenter.decode(embedding, prompts).results()
        memory = segmenter.remember(embedding, LocalMask.of(before), memory)

    return step


def propagating(propagator: Any, scene: Scene) -> Step:
    """A function that propagates the mask of one object through a scene, frame by frame."""
    propagator.start(1, scene.masks(0)[0], Frame(0, scene.image(0)))
    return propagator.update  # type: ignore[no-any-return]


def _seconds(step: Step, scene: Scene, device: str) -> float:
    """The median time of a frame in seconds."""
    on_gpu = torch_device(device).type == "cuda"
    now = time.perf_counter if on_gpu else time.process_time
    begun, times = now(), []
    for index in range(1, _WARM_UP + _MEASURED + 1):
        frame = Frame(index, scene.image(index))
        start = now()
        step(frame)
        if on_gpu:
            torch.cuda.synchronize()
        times.append(now() - start)
        if index > 1 and now() - begun > _ENOUGH:
            break
    return statistics.median(times[min(_WARM_UP, len(times) - 1) :])


def with_column(page: str, heading: str, times: dict[str, float]) -> str:
    """A page in which the first table under a heading has the times (ms) in its last column.

    Rows of models that were not measured stay as they are.
    """
    before, mark, section = page.partition(f"\n## {heading}\n")
    section, next_mark, after = section.partition("\n## ")
    lines = section.split("\n")
    head = next(row for row, line in enumerate(lines) if line.startswith("| name |"))
    has_column = lines[head].endswith(f"| {_COLUMN} |")
    for row in range(head, len(lines)):
        if not lines[row].startswith("|"):
            break
        *cells, last = (cell.strip() for cell in lines[row].strip("|").split("|"))
        if not has_column:
            cells, last = [*cells, last], {head: _COLUMN, head + 1: "---"}.get(row, "")
        if (name := cells[0].strip("`")) in times:
            last = _shown(times[name])
        ruled = "|" + "---|" * (len(cells) + 1)
        lines[row] = (
            ruled if row == head + 1 else "|" + "".join(f" {cell} |" if cell else " |" for cell in [*cells, last])
        )
    return before + mark + "\n".join(lines) + next_mark + after


def _shown(milliseconds: float) -> str:
    return f"{milliseconds:.0f}" if milliseconds >= 10 else f"{milliseconds:.1f}"


def small_models(scene: Scene) -> dict[str, Callable[[], Step]]:
    """Functions that build each wrapped model with few layers, by name."""
    return {
        "point tracker superglue": partial(_matching, "superglue", scene),
        "point tracker lightglue": partial(_matching, "lightglue", scene),
        "point tracker cotracker": partial(_cotracker, scene),
        "segmenter sam2": partial(_segmenter, "sam2.segmenter", "Sam2", "sam2", scene),
        "segmenter edgetam": partial(_segmenter, "sam2.segmenter", "EdgeTam", "edgetam", scene),
        "segmenter seggpt": partial(_segmenter, "seggpt", "SegGpt", "seggpt", scene),
        "mask propagator cutie": partial(_cutie, scene),
        "mask propagator deaot": partial(_deaot, scene),
        "mask propagator sam2": partial(_video, "sam2_video", scene),
        "mask propagator edgetam": partial(_video, "edgetam_video", scene),
    }


def _matching(network: str, scene: Scene) -> Step:
    from sampt_ros.point_trackers.matching.tracker import MatchingTracker

    return following_points(MatchingTracker(getattr(tiny_models, network)(), device="cpu"), scene)


def _cotracker(scene: Scene) -> Step:
    from sampt_ros.point_trackers.cotracker.tracker import CoTracker, cotracker

    network = cotracker()
    network.model_resolution = (64, 96)
    return following_points(CoTracker(network, device="cpu"), scene)


def _segmenter(module: str, kind: str, network: str, scene: Scene) -> Step:
    wrapper = getattr(import_module(f"sampt_ros.segmenters.{module}"), kind)
    return segmenting(wrapper(getattr(tiny_models, network)(), device="cpu"), scene)


def _cutie(scene: Scene) -> Step:
    from sampt_ros.mask_propagators.cutie.architectures import cutie
    from sampt_ros.mask_propagators.cutie.propagator import Cutie

    return propagating(Cutie(*cutie("small"), device="cpu"), scene)


def _deaot(scene: Scene) -> Step:
    from sampt_ros.mask_propagators.deaot.architectures import deaot
    from sampt_ros.mask_propagators.deaot.propagator import Deaot

    return propagating(Deaot(deaot("large"), device="cpu"), scene)


def _video(network: str, scene: Scene) -> Step:
    from sampt_ros.mask_propagators.sam2.propagator import Sam2Video

    return propagating(Sam2Video(getattr(tiny_models, network)(), "cpu"), scene)


def _print_memory(names: Sequence[str], frames: int) -> None:
    """Print the memory of this process while each small model processes frames."""
    scene = Scene((128, 96), 1)
    points = [frames // 3, 2 * frames // 3, frames]
    rows = []
    for name, build in small_models(scene).items():
        if names and name.split()[-1] not in names:
            continue
        try:
            step = build()
        except (ImportError, SamPtError) as error:
            print(f"{name} is left out: {error}", flush=True)
            continue
        held = []
        for index in range(1, frames + 1):
            step(Frame(index, scene.image(index)))
            if index in points:
                held.append(_held())
        rows.append([name, *(f"{mib:.1f}" for mib in held)])
        print(" | ".join(rows[-1]), flush=True)
        del step
    print(f"\n{table(['MiB of the process after', *(f'{count} frames' for count in points)], rows)}")


def _held() -> float:
    """Memory that this process uses, MiB, after unused memory was returned to the system; on Linux only."""
    gc.collect()
    library = ctypes.CDLL(None)
    if hasattr(library, "malloc_trim"):
        library.malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="models (default: all)")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--size", default="640x480", help="size of the images (default: 640x480)")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the times into the tables of this page")
    parser.add_argument("--memory", action="store_true", help="measure memory, not time")
    parser.add_argument("--frames", type=int, default=300, help="number of frames for --memory (default: 300)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
