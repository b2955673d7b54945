"""Makes the weights of the nano segmenter from scratch: data, training, export, measurements, model card.

Every stage skips what is already done, so the command can be stopped and run again.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS, WEIGHTS
from sampt_ros.utils.torch_device import torch_device
from training.nano.animation.files import make_animated
from training.nano.card import write_card
from training.nano.export import export_weights, training_state
from training.nano.learning.clicking import ClickRecipe, ClickTraining
from training.nano.learning.following import FollowTraining
from training.nano.learning.library import Library
from training.nano.learning.parts import CLICKS, PARTS
from training.nano.learning.training import Recipe
from training.nano.measure import DATA, MEASURED, measure, write_json
from training.nano.pictures.cutouts import make_backgrounds, make_cutouts
from training.nano.pictures.sources import fetch
from training.nano.pictures.stills import counted, make_photographs, read_stills
from training.nano.sequence import is_held_out

NETWORKS: dict[type[FollowTraining | ClickTraining], str] = {FollowTraining: "following", ClickTraining: "clicks"}
CARD = Path(__file__).resolve().parents[2] / "docs/nano.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the stages; exits with a message if a stage lacks a folder that it needs, or if training is not finished."""
    parser = _parser()
    parsed = parser.parse_args(arguments)
    stages = [parsed.only] if parsed.only else list(STAGES)
    if "data" in stages and not parsed.train:
        parser.error("the stage data needs --train")
    for stage in stages:
        print(f"== {stage}", flush=True)
        STAGES[stage](parsed)


def _data(parsed: argparse.Namespace) -> None:
    fetch(parsed.work)
    make_cutouts(parsed.work)
    make_backgrounds(parsed.work)
    write_json(parsed.work / DATA, _data_summary(parsed.train))
    make_photographs(parsed.work, parsed.train / "stills")
    make_animated(parsed.work, parsed.train / "stills", parsed.animated, Recipe().seed, parsed.workers)
    # Imported here, because the other stages need neither onnxruntime nor MuJoCo with its OpenGL.
    from training.nano.pictures.teacher import label_clips
    from training.nano.scenes.render import render_scenes

    label_clips(parsed.work, parsed.train / "clips")
    for kind, count in (("rendered", parsed.scenes), ("simulated", parsed.simulated)):
        render_scenes(parsed.work, parsed.train / "objects/ycb", kind, count, Recipe().seed)


def _data_summary(train: Path) -> dict[str, Any]:
    """The photographs, clips and objects that are used for training, and those held out for validation."""
    stills = read_stills(train / "stills")
    names = {
        "clips": sorted(path.stem for path in (train / "clips").glob("*.mp4")),
        "objects": sorted(path.stem for path in (train / "objects/ycb").glob("*.npz")),
    }
    return {
        "stills": counted([still for still in stills if not still.is_held_out]),
        **{kind: [name for name in each if not is_held_out(name)] for kind, each in names.items()},
        "held out": {
            "stills": sum(still.is_held_out for still in stills),
            **{kind: [name for name in each if is_held_out(name)] for kind, each in names.items()},
        },
    }


def _train(parsed: argparse.Namespace) -> None:
    device = torch_device(parsed.device)
    stop_at = time.time() + 60 * parsed.minutes
    common: dict[str, Any] = {"batch": parsed.batch, "again": parsed.begin is not None}
    recipes = (
        (FollowTraining, Recipe(steps=parsed.steps, **common)),
        (ClickTraining, ClickRecipe(steps=parsed.click_steps, **common)),
    )
    for kind, recipe in recipes:
        if parsed.network not in (None, NETWORKS[kind]):
            continue
        training = kind(parsed.work, recipe, device, parsed.begin)
        if training.step < recipe.steps:
            library = Library(parsed.work / "sequences")
            print(f"{kind.checkpoint}: {library.counts}")
            training.run(parsed.work / "sequences", parsed.workers, stop_at)
        if training.step < recipe.steps:
            place = f"{kind.checkpoint}: step {training.step} of {recipe.steps}"
            sys.exit(f"stopped at {place}; run the command again to continue")


def _export(parsed: argparse.Namespace) -> None:
    if parsed.output.name == CLICK_WEIGHTS.name:
        sys.exit(f"expected another name of the weights than {CLICK_WEIGHTS.name}, which the click network's have")
    for name in (FollowTraining.checkpoint, ClickTraining.checkpoint):
        state = training_state(parsed.work, name) if (parsed.work / name).is_file() else None
        if state is None or state["step"] < state["recipe"]["steps"]:
            place = f"step {state['step']} of {state['recipe']['steps']}" if state else "nothing"
            sys.exit(f"expected a finished training; got {place} in {name}")
    for path in export_weights(parsed.work, parsed.output):
        print(f"{path}: {path.stat().st_size} bytes")


def _graphs(parsed: argparse.Namespace) -> None:
    # Imported here, because the other stages need neither onnx nor onnxscript.
    from training.nano.graphs import export_graphs
    from training.nano.quantized_graphs import export_quantized_clicks, export_quantized_graphs, training_looks

    exact = export_graphs(parsed.output)
    quantized = export_quantized_graphs(parsed.output, training_looks(parsed.work / "sequences", PARTS[0]))
    clicked = export_quantized_clicks(parsed.output, training_looks(parsed.work / "sequences", CLICKS))
    for path in (*exact, *quantized, clicked):
        print(f"{path}: {path.stat().st_size} bytes")


def _evaluate(parsed: argparse.Namespace) -> None:
    measure(parsed.work, parsed.output, parsed.validation, parsed.davis, parsed.stills, parsed.device)


def _card(parsed: argparse.Namespace) -> None:
    write_card(parsed.work / MEASURED, parsed.card)
    print(parsed.card)


STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    "data": _data,
    "train": _train,
    "export": _export,
    "graphs": _graphs,
    "evaluate": _evaluate,
    "card": _card,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.nano", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--work", type=Path, default=Path("nano_work"), metavar="FOLDER", help="for all files (default: nano_work)")
    add("--train", type=_folder, metavar="FOLDER", help="pictures, clips and scanned objects: see the README")
    add("--validation", type=_folder, metavar="FOLDER", help="measure on the sequences of `training.nano.validation`")
    add("--davis", type=_folder, metavar="FOLDER", help="measure on these sequences, in the DAVIS layout")
    add(
        "--stills",
        type=_folder,
        metavar="FOLDER",
        help="measure on these pictures: OBJECT/NN.jpg, OBJECT/NN_mask.png",
    )
    add("--animated", type=_count, default=4000, metavar="N", help="animated photographs (default: 4000)")
    add("--scenes", type=_count, default=500, metavar="N", help="rendered scenes (default: 500)")
    simulated_help = "simulated scenes, for a training with --begin (default: none)"
    add("--simulated", type=_count, default=0, metavar="N", help=simulated_help)
    steps, click_steps = Recipe().steps, ClickRecipe().steps
    add("--steps", type=_count, default=steps, metavar="N", help=f"steps of the first training (default: {steps})")
    clicks_help = f"steps of the click network's training (default: {click_steps})"
    add("--click-steps", type=_count, default=click_steps, metavar="N", help=clicks_help)
    add(
        "--batch",
        type=_count,
        default=Recipe().batch,
        metavar="B",
        help=f"samples of a step (default: {Recipe().batch})",
    )
    begin_help = (
        "begin with the weights in this folder, and practise only what a network that has learned all still lacks"
    )
    add("--begin", type=_folder, metavar="FOLDER", help=begin_help)
    add("--network", choices=NETWORKS.values(), help="train only this network (default: both)")
    workers = max(1, min(16, (os.cpu_count() or 2) - 1))
    workers_help = f"processes that make data and prepare samples (default: {workers} here)"
    add("--workers", type=_count, default=workers, metavar="N", help=workers_help)
    add("--device", default="auto", choices=("auto", "cpu", "cuda"), help="where the network runs (default: auto)")
    add("--minutes", type=float, default=math.inf, metavar="M", help="stop training after this time (default: never)")
    add("--output", type=Path, default=WEIGHTS, metavar="FILE", help="weights (default: those in the package)")
    add("--card", type=Path, default=CARD, metavar="FILE", help="model card (default: docs/nano.md)")
    add("--only", choices=STAGES, help="run only this stage (default: all, in this order)")
    return parser


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"expected a folder, got {text!r}")
    return Path(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


if __name__ == "__main__":
    main()
