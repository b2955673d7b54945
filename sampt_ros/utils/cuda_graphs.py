"""CUDA graphs: the work of a function on a GPU is recorded once and replayed with a single launch.

With a network of small layers a GPU waits for the CPU, which has to launch hundreds of kernels one by one. A CUDA graph
launches all of them at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

_MAX_RECORDINGS = 32  # Recordings kept of one function.
_WARM_UPS = 2  # Calls before a recording, because the set-up that libraries do on first use must not be recorded.
_MIN_BUCKET = 16  # See `rounded`.

_logger = logging.getLogger(__name__)

TensorFunction = Callable[..., tuple[Tensor, ...]]


class Graphed:
    """A function of tensors that is replayed as a CUDA graph on a GPU, and called normally on a CPU.

        decode = Graphed(network.decode, device)
        logits, scores = decode(points, features, ambiguous=False)

    It is recorded for each new combination of shapes and options, which takes as long as a few frames. Its work must
    depend on shapes and options only: it must not branch on a tensor's values, nor copy anything to the CPU. A function
    that cannot be recorded is called normally, with a warning.
    """

    def __init__(
        self, function: TensorFunction, device: torch.device, allow_tf32: bool = False, most: int = _MAX_RECORDINGS
    ) -> None:
        """allow_tf32: compute products of float32 matrices in tf32, which has 10 bits of precision instead of 23
        most: number of recordings kept; the least recently used one is dropped
        """
        self._function = function
        self._device = device
        self._allow_tf32 = allow_tf32
        self._most = most
        self._recordings: dict[Hashable, _Recording] = {}  # In order of their last use.
        self._is_recordable = device.type == "cuda"
        # All recordings share one memory pool, which is safe because they are never replayed at the same time.
        self._memory_pool: Any = None

    def __call__(self, *tensors: Tensor, resident: Sequence[Tensor] = (), **options: Hashable) -> tuple[Tensor, ...]:
        """The function's outputs, as new tensors.

        tensors   on the function's device, or in pinned memory; they are copied into the graph's own tensors
        resident  further tensors on the device, passed after `tensors`; they are read in place, not copied
        options   arguments that are not tensors
        """
        if not self._is_recordable:
            return self._call(*tensors, *resident, **options)
        key = (
            tuple((tensor.shape, tensor.dtype) for tensor in tensors),
            tuple((tensor.shape, tensor.dtype, tensor.data_ptr()) for tensor in resident),
            tuple(sorted(options.items())),
        )
        recording = self._recordings.pop(key, None) or self._record(tensors, resident, options)
        if recording is None:
            return self._call(*tensors, *resident, **options)
        self._recordings[key] = recording
        if len(self._recordings) > self._most:
            del self._recordings[next(iter(self._recordings))]
        return recording.replay(tensors)

    def _call(self, *tensors: Tensor, **options: Hashable) -> tuple[Tensor, ...]:
        return self._function(*(tensor.to(self._device, non_blocking=True) for tensor in tensors), **options)

    def _record(
        self, tensors: Sequence[Tensor], resident: Sequence[Tensor], options: dict[str, Hashable]
    ) -> _Recording | None:
        """Record the function for tensors of these shapes; returns None if it cannot be recorded."""
        inputs = [tensor.to(self._device, copy=True) for tensor in tensors]
        self._memory_pool = self._memory_pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with _tf32(self._allow_tf32):
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    self._function(*inputs, *resident, **options)
            torch.cuda.current_stream().wait_stream(stream)
            try:
                with torch.cuda.graph(graph, pool=self._memory_pool, stream=stream, capture_error_mode="thread_local"):
                    outputs = self._function(*inputs, *resident, **options)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:
                # The last error only says that the recording has ended; its context is the cause.
                cause = error.__context__ or error
                reason = str(cause).strip().partition("\n")[0]
                _logger.warning("%s runs without a CUDA graph, more slowly: %s", self._function.__qualname__, reason)
                self._is_recordable = False
                return None
        return _Recording(graph, inputs, outputs)


class _Recording:
    """A CUDA graph with the tensors that it reads and writes."""

    def __init__(self, graph: torch.cuda.CUDAGraph, inputs: Sequence[Tensor], outputs: tuple[Tensor, ...]) -> None:
        self._graph, self._inputs, self._outputs = graph, inputs, outputs

    def replay(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The outputs for inputs of the same shapes, as copies: the next replay overwrites the graph's own."""
        for own, tensor in zip(self._inputs, tensors):
            own.copy_(tensor, non_blocking=True)
        self._graph.replay()
        return tuple(output.clone() for output in self._outputs)


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    """In a block, compute products of float32 matrices in tf32 if that is allowed."""
    settings = torch.backends.cuda.matmul
    before, settings.allow_tf32 = settings.allow_tf32, allowed or settings.allow_tf32
    try:
        yield
    finally:
        settings.allow_tf32 = before


def rounded(count: int) -> int:
    """Round `count` up to one of a few numbers, so that few shapes have to be recorded.

    They are multiples of 16 up to 64, and of increasing steps above, so that at most about a quarter is added.
    """
    step = _MIN_BUCKET
    while count > 4 * step:
        step *= 2
    return max(-(-count // step), 1) * step
