"""The device that networks run on. torch, which is slow to import, is imported only if there may be a GPU."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

from sampt_ros.errors import ConfigError

_CUDA_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
_AMD_DRIVER = Path("/dev/kfd")  # torch calls AMD's GPUs CUDA devices, too.


def network_device(name: str) -> str:
    """The device, `cpu` or `cuda`, for `auto`, `cpu` or `cuda`; raises ConfigError if it is not available."""
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
