"""Measures all numbers of the model card: of the weights, the data, the training, and the quality of the masks."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from safetensors.torch import load_file
from tqdm import tqdm

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import walk
from sampt_ros.config.presets import load_preset
from sampt_ros.evaluation.layouts.davis import davis_sequences
from sampt_ros.evaluation.mask_scores import MaskScore
from sampt_ros.evaluation.masks import evaluate_sequence
from sampt_ros.evaluation.stills import StillsScore, evaluate_stills, stills_objects
from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS, WEIGHTS
from sampt_ros.tracking.sam_pt import SamPt
from sampt_ros.utils.machine import machine
from training.nano.export import training_state
from training.nano.learning.clicking import ClickTraining
from training.nano.learning.following import FollowTraining
from training.nano.learning.library import Library
from training.nano.learning.parts import WARM_UP, ends
from training.nano.learning.training import AVERAGE, RATES

PRESET = "default"
MEASURED, DATA = "measured.json", "data.json"  # Files in the work folder.
NOTE = "note.txt"  # Optional file in the work folder, with a remark on the training for the card.


def measure(
    work: Path, weights: Path, validation: Path | None, davis: Path | None, stills: Path | None, device: str
) -> None:
    """Write `work`/measured.json. What was measured before with the same weights is kept.

    validation  sequences of training.nano.validation, tracked from the first frame's mask and from one click; or None
    davis       a folder in the DAVIS layout, tracked likewise; or None
    stills      a folder of single pictures, see sampt_ros.evaluation.stills; or None
    device      device of the network: auto, cpu or cuda
    """
    file = work / MEASURED
    facts = _weights(weights)
    before = read_json(file, {})
    masks = before["masks"] if before.get("weights") == facts else {}
    measured = {"weights": facts, "training": _training(work), "data": _data(work), "masks": masks}
    write_json(file, measured)
    cv2.setNumThreads(-1)  # The training may have limited OpenCV to one thread in this process.
    # nano runs in 8 bits only with the package's own weights, that is, without checkpoints.
    changes: dict[str, Any] = {"segmenter": "nano", "device": device}
    if weights.resolve() != WEIGHTS:
        clicks = weights.with_name(CLICK_WEIGHTS.name)
        changes |= {"nano.checkpoint": str(weights), "nano.click_checkpoint": str(clicks)}
    config = load_preset(PRESET, changes)
    sam_pt = SamPt(config)
    parts: dict[str, Callable[[], dict[str, Any]]] = {}
    for name, folder in (("validation", validation), ("davis", davis)):
        if folder:
            parts[f"{name}, mask"] = partial(_videos, sam_pt, folder, 0)
            parts[f"{name}, click"] = partial(_videos, sam_pt, folder, 1)
    if stills:
        parts["stills"] = lambda: _stills(sam_pt, stills)
    for part, run in parts.items():
        if part not in masks:
            masks[part] = {"machine": machine(), "preset": _preset(config), **run()}
            write_json(file, measured)


def read_json(path: Path, missing: Any) -> Any:
    """The content of a JSON file, or `missing` if there is no such file."""
    return json.loads(path.read_text()) if path.is_file() else missing


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, which appears only when it is complete."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content, indent=2) + "\n")
    partial.replace(path)


def _weights(path: Path) -> dict[str, Any]:
    """Facts of the file of each network's weights."""
    return {"following": _file(path), "clicks": _file(path.with_name(CLICK_WEIGHTS.name))}


def _file(path: Path) -> dict[str, Any]:
    tensors = load_file(path)
    return {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bytes": path.stat().st_size,
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "precision": sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()}),
    }


def _training(work: Path) -> dict[str, Any]:
    note = work / NOTE
    return {
        "rates": RATES,
        "warm_up": WARM_UP,
        "average": AVERAGE,
        "following": _run(work, FollowTraining),
        "clicks": _run(work, ClickTraining),
        "note": note.read_text().strip() if note.is_file() else "",
    }


def _run(work: Path, kind: type[FollowTraining | ClickTraining]) -> dict[str, Any]:
    """Facts of the training of one network."""
    state = training_state(work, kind.checkpoint)
    steps = state["recipe"]["steps"]
    parts, rounded = kind.practice(state["recipe"]["again"])
    return {
        "recipe": state["recipe"],
        "step": state["step"],
        "rounded": rounded.first_steps(steps),
        "parts": [{**asdict(part), "end": end} for part, end in zip(parts, ends(steps, parts))],
        "seconds": state["seconds"],
    }


def _data(work: Path) -> dict[str, Any]:
    """What the stage data wrote, with the number of sequences of each kind and of pictures of each package."""
    pictures = Counter(path.parent.name for kind in ("cutouts", "backgrounds") for path in work.glob(f"{kind}/*/*.*"))
    frames = sum(int(path.read_text().split()[0]) for path in work.glob("sequences/teacher/*.txt"))
    return {
        **read_json(work / DATA, {}),
        "packages": dict(pictures),
        "sequences": dict(Library(work / "sequences").counts),
        "teacher frames": frames,
    }


def _preset(config: SamPtConfig) -> dict[str, Any]:
    """The parameters whose values differ from the defaults, except the paths of weights."""
    defaults = {name: value for name, value, _ in walk(SamPtConfig())}
    changed = {name: value for name, value, _ in walk(config) if defaults[name] != value}
    return {name: value for name, value in changed.items() if not name.endswith("checkpoint")}


def _videos(sam_pt: SamPt, folder: Path, clicks: int) -> dict[str, Any]:
    """Scores on a folder in the DAVIS layout; clicks: number of clicks on the first frame, 0 for its true mask."""
    sequences = tqdm(davis_sequences(folder), f"{folder.name}, {clicks} clicks", unit="sequence")
    scores = {sequence.name: evaluate_sequence(sam_pt, sequence, clicks) for sequence in sequences}
    mean = MaskScore.mean(list(scores.values()))
    return {"sequences": {name: _jf(score) for name, score in scores.items()}, "mean": _jf(mean)}


def _jf(score: MaskScore) -> dict[str, float | None]:
    return {"j": score.j, "f": score.f, "jf": score.jf, "false": score.false, "r": score.r}


def _stills(sam_pt: SamPt, folder: Path) -> dict[str, Any]:
    scores = {
        item.name: evaluate_stills(sam_pt, item) for item in tqdm(stills_objects(folder), "stills", unit="object")
    }
    mean = StillsScore.mean(list(scores.values()))
    return {"objects": {name: score.as_json() for name, score in scores.items()}, "mean": mean.as_json()}
