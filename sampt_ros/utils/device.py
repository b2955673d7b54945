"""Which device networks run on. torch, which takes long to import, is asked only where there may be a GPU."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

from sampt_ros.errors import ConfigError

_CUDA_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_AMD_DRIVER = Path("/dev/kfd")  # torch calls AMD's GPUs CUDA devices, too.


def network_device(name: str) -> str:
    """`cpu` or `cuda`: what `auto`, `cpu` or `cuda` means here; raises ConfigError if there is none."""
    if name == "cpu" or (name == "auto" and not (_may_have_gpu() and _torch_has_gpu())):
        return "cpu"
    if not _torch_has_gpu():
        raise ConfigError(f"device: expected cpu or auto, since {_reason()}; got {name!r}")
    return "cuda"


@cache
def _may_have_gpu() -> bool:
    """Whether the driver of a GPU is installed."""
    try:
        ctypes.CDLL(_CUDA_DRIVER)
    except OSError:
        return _AMD_DRIVER.exists()
    return True


def _torch_has_gpu() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def _reason() -> str:
    return "torch sees no CUDA device" if sys.modules.get("torch") else "torch is not installed"
