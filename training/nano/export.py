"""Writes the trained weights as the files that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from sampt_ros.segmenters.nano.weights import CLICK_WEIGHTS
from training.nano.learning.clicking import ClickTraining
from training.nano.learning.following import FollowTraining


def training_state(work: Path, checkpoint: str) -> dict[str, Any]:
    """The content of a checkpoint in the work folder; see Training."""
    return torch.load(work / checkpoint, map_location="cpu", weights_only=True)


def export_weights(work: Path, path: Path) -> list[Path]:
    """Write the averaged weights of both networks in half precision; returns the files.

    path: of the weights of the network that follows objects; those of the click network go beside it
    """
    files = {FollowTraining.checkpoint: path, ClickTraining.checkpoint: path.with_name(CLICK_WEIGHTS.name)}
    for checkpoint, file in files.items():
        average = training_state(work, checkpoint)["average"]
        save_file({name: value.half().contiguous() for name, value in average.items()}, file)
    return list(files.values())
