"""Writes the trained weights as the file that the package ships."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


def training_state(work: Path) -> dict[str, Any]:
    """The content of the checkpoint `work`/training.pt; see Training."""
    return torch.load(work / "training.pt", map_location="cpu", weights_only=True)


def export_weights(work: Path, path: Path) -> int:
    """Write the averaged weights of `work`/training.pt in half precision; returns the number of training steps."""
    state = training_state(work)
    save_file({name: value.half().contiguous() for name, value in state["average"].items()}, path)
    return int(state["step"])
