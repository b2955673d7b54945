"""The torch device that networks run on, and transfers of arrays to it and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from sampt_ros.utils.device import network_device


def torch_device(name: str) -> torch.device:
    """The torch device for `auto`, `cpu` or `cuda`; raises ConfigError if it is not available."""
    return torch.device(network_device(name))


def torch_precision(name: str, device: torch.device, auto: str = "bfloat16") -> torch.dtype:
    """The dtype for a `precision` parameter on a device.

    name: float32, bfloat16, float16, or auto; auto: the format that "auto" stands for on a GPU that supports it
    """
    if name == "auto":
        is_supported = device.type == "cuda" and (auto != "bfloat16" or torch.cuda.is_bf16_supported())
        name = auto if is_supported else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def padded(array: np.ndarray, rows: int, value: int = 0) -> np.ndarray:
    """An array (n, ...) padded to (rows, ...), with `value` in the rows from n on."""
    enlarged = np.full((rows, *array.shape[1:]), value, array.dtype)
    enlarged[: len(array)] = array
    return enlarged


def staged(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy of an array in CPU memory; for a GPU in pinned memory, from which it is transferred asynchronously."""
    source = np.ascontiguousarray(array)
    dtype = torch.from_numpy(np.empty(0, source.dtype)).dtype
    copy = torch.empty(source.shape, dtype=dtype, pin_memory=device.type == "cuda")
    copy.numpy()[...] = source
    return copy


def uploaded(array: np.ndarray, device: torch.device) -> Tensor:
    """A copy of an array on a device; the CPU does not wait for the transfer to a GPU."""
    return staged(array, device).to(device, non_blocking=True)


def downloaded(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """Tensors of one device as arrays; the CPU waits for a GPU only once for all of them."""
    if tensors[0].device.type != "cuda":
        return tuple(tensor.numpy() for tensor in tensors)
    copies = [torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True) for tensor in tensors]
    for copy, tensor in zip(copies, tensors):
        copy.copy_(tensor, non_blocking=True)
    torch.cuda.current_stream().synchronize()
    return tuple(copy.numpy() for copy in copies)


class SideStream:
    """A CUDA stream beside the current one, so that a GPU can run two networks at once; without effect on a CPU."""

    def __init__(self, device: torch.device, urgent: bool = False) -> None:
        """urgent: the GPU prefers its kernels to those of other streams"""
        self._stream: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._stream = torch.cuda.Stream(device, priority=-1 if urgent else 0)  # type: ignore[no-untyped-call]

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """In a block, launch kernels in this stream."""
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            yield

    def join(self, *tensors: Tensor) -> None:
        """Let the current stream wait for these tensors, which were computed in this one."""
        if self._stream is not None:
            current = torch.cuda.current_stream()
            current.wait_stream(self._stream)
            for tensor in tensors:
                tensor.record_stream(current)
