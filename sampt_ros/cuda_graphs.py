"""Networks on a GPU without the CPU in their way: what a function of tensors does there is recorded once and replayed.

A network of small layers keeps a GPU waiting for the CPU, which has to start each of some hundred kernels. A CUDA graph
starts all of them at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_MOST = 32  # recordings of one function
_REHEARSALS = 2  # what libraries set up on first use must not happen while recording

_logger = logging.getLogger(__name__)

_FEWEST = 16

TensorFunction = Callable[..., tuple[Tensor, ...]]


class Graphed:
    """A function of tensors that does the same, on a GPU with one launch.

        decode = Graphed(network.decode, device)
        logits, scores = decode(points, features, ambiguous=False)

    It is recorded when shapes or options come for the first time, which takes as long as a few frames; the recordings
    used last are kept. What it does must depend on them alone: no choice by a tensor's values, no copy to the CPU. One
    that cannot be recorded is called as it is, and so is every function on a CPU.
    """

    def __init__(self, function: TensorFunction, device: torch.device, fast: bool = False, most: int = _MOST) -> None:
        """fast: its products of float32 matrices may be of tf32, which has 10 bits of 23; most: recordings kept"""
        self._function = function
        self._fast = fast
        self._device = device
        self._most = most
        self._recordings: dict[Hashable, _Recording] = {}  # in the order of use
        self._records = device.type == "cuda"
        self._memory: Any = None  # of the recordings, which share it: one is replayed after the other

    def __call__(self, *tensors: Tensor, resident: Sequence[Tensor] = (), **options: Hashable) -> tuple[Tensor, ...]:
        """The function's outputs, as new tensors.

        tensors: on its device, or in pinned memory; resident: those that are read where they are, after `tensors`, not
        copied for every call; options: what is no tensor
        """
        if not self._records:
            return self._called(*tensors, *resident, **options)
        key = (
            tuple((tensor.shape, tensor.dtype) for tensor in tensors),
            tuple((tensor.shape, tensor.dtype, tensor.data_ptr()) for tensor in resident),
            tuple(sorted(options.items())),
        )
        recording = self._recordings.pop(key, None) or self._recorded(tensors, resident, options)
        if recording is None:
            return self._called(*tensors, *resident, **options)
        self._recordings[key] = recording
        if len(self._recordings) > self._most:
            del self._recordings[next(iter(self._recordings))]
        return recording.replay(tensors)

    def forget(self) -> None:
        """Free the recordings' memory; they are made again when they are needed."""
        self._recordings.clear()
        self._memory = None

    def _called(self, *tensors: Tensor, **options: Hashable) -> tuple[Tensor, ...]:
        return self._function(*(tensor.to(self._device, non_blocking=True) for tensor in tensors), **options)

    def _recorded(
        self, tensors: Sequence[Tensor], resident: Sequence[Tensor], options: dict[str, Hashable]
    ) -> _Recording | None:
        """What the function does with tensors of these shapes; None if that cannot be recorded."""
        inputs = [tensor.to(self._device, copy=True) for tensor in tensors]
        self._memory = self._memory or torch.cuda.graph_pool_handle()
        graph, beside = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with _tf32(self._fast):
            with torch.cuda.stream(beside):
                for _ in range(_REHEARSALS):
                    self._function(*inputs, *resident, **options)
            torch.cuda.current_stream().wait_stream(beside)
            try:
                with torch.cuda.graph(graph, pool=self._memory, stream=beside, capture_error_mode="thread_local"):
                    outputs = self._function(*inputs, *resident, **options)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:
                cause = error.__context__ or error  # that the recording then cannot be ended says nothing
                reason = str(cause).strip().partition("\n")[0]
                _logger.warning("%s runs without a CUDA graph, more slowly: %s", self._function.__qualname__, reason)
                self._records = False
                return None
        return _Recording(graph, inputs, outputs)


class _Recording:
    """A CUDA graph with the tensors that it reads and writes."""

    def __init__(self, graph: torch.cuda.CUDAGraph, inputs: Sequence[Tensor], outputs: tuple[Tensor, ...]) -> None:
        self._graph, self._inputs, self._outputs = graph, inputs, outputs

    def replay(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The outputs for other inputs of the same shapes. The next replay overwrites its own, so these are copies."""
        for into, tensor in zip(self._inputs, tensors):
            into.copy_(tensor, non_blocking=True)
        self._graph.replay()
        return tuple(output.clone() for output in self._outputs)


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """Inside, products of float32 matrices are of tf32 if that is allowed."""
    settings = torch.backends.cuda.matmul
    before, settings.allow_tf32 = settings.allow_tf32, allowed or settings.allow_tf32
    try:
        yield
    finally:
        settings.allow_tf32 = before


def rounded(count: int) -> int:
    """So many or somewhat more, by at most a quarter where they are many: there are few such numbers to record for."""
    step = _FEWEST
    while count > 4 * step:
        step *= 2
    return max(-(-count // step), 1) * step
