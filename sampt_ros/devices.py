"""Where networks run, and how pictures get there and answers back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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


def torch_precision(name: str, device: torch.device, auto: str = "bfloat16") -> torch.dtype:
    """What a `precision` parameter means on a device; auto: what that means on a GPU that has it."""
    if name == "auto":
        there = device.type == "cuda" and (auto != "bfloat16" or torch.cuda.is_bf16_supported())
        name = auto if there else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def padded(array: np.ndarray, rows: int, value: int = 0) -> np.ndarray:
    """An array (n, ...) with `value` in what it has less than so many rows."""
    enlarged = np.full((rows, *array.shape[1:]), value, array.dtype)
    enlarged[: len(array)] = array
    return enlarged


def staged(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy of an array in memory of the CPU's that a device can fetch by itself, so that nobody waits."""
    source = np.ascontiguousarray(array)
    kind = torch.from_numpy(np.empty(0, source.dtype)).dtype
    copy = torch.empty(source.shape, dtype=kind, pin_memory=device.type == "cuda")
    copy.numpy()[...] = source
    return copy


def uploaded(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy of an array on a device; to a GPU by way of pinned memory, so that the CPU need not wait."""
    return staged(array, device).to(device, non_blocking=True)


def downloaded(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """Tensors as arrays. From a GPU they come together: the CPU waits for it once."""
    if tensors[0].device.type != "cuda":
        return tuple(tensor.numpy() for tensor in tensors)
    copies = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
    for copy, tensor in zip(copies, tensors):
        copy.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream().synchronize()
    return tuple(copy.numpy() for copy in copies)


class SideStream:
    """A queue of a GPU's work beside the usual one, so that two networks compute at once; on a CPU nothing."""

    def __init__(self, device: torch.device, urgent: bool = False) -> None:
        """urgent: what is queued here goes first where both could run"""
        self._stream = torch.cuda.Stream(device, priority=-1 if urgent else 0) if device.type == "cuda" else None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """What is done inside is queued here."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield

    def join(self, *tensors: Tensor) -> None:
        """Let the usual queue wait until these tensors, made here, are there."""
        if self._stream is not None:
            current = torch.cuda.current_stream()
            current.wait_stream(self._stream)
            for tensor in tensors:
                tensor.record_stream(current)
