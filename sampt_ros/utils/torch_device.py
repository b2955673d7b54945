"""Where networks run, and how pictures get there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sampt_ros.errors import ConfigError


def torch_device(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means here; raises ConfigError if there is none."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: expected cpu or auto, since torch sees no CUDA device; got 'cuda'")
    return torch.device(name)


def uploaded(picture: np.ndarray, device: torch.device) -> Tensor:
    """A copy of an array on a device; to a GPU by way of pinned memory, so that the CPU need not wait."""
    copy = torch.tensor(np.ascontiguousarray(picture))  # from_numpy would share it, and refuses read-only ones
    return copy.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else copy
