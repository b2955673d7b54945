"""Runs the segmenter on a stream's frames: each is encoded once, and memory is saved once it has run out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic

import numpy as np

from sampt_ros.config.core import SamPtConfig
from sampt_ros.data_types import Frame, LocalMask
from sampt_ros.descriptors import build_descriptor
from sampt_ros.descriptors.base import Descriptor
from sampt_ros.errors import OutOfMemoryError
from sampt_ros.segmenters import build_one_shot, build_segmenter
from sampt_ros.segmenters.base import Embedding, Finding, Memory, OneShot, Segmenter, WindowFeatures
from sampt_ros.tracking.mask_decoding import ObjectPrompt, segment


class FrameSegmenter(Generic[Embedding, Memory]):
    """Segments all objects of a frame, in decoder batches of the fastest size that fits into memory."""

    def __init__(
        self,
        segmenter: Segmenter[Embedding, Memory],
        one_shot: OneShot[Embedding, Any] | None = None,
        descriptor: Descriptor | None = None,
    ) -> None:
        """one_shot: finds objects of reference pictures; descriptor: describes frames in place of the segmenter."""
        self._segmenter = segmenter
        self._one_shot = one_shot
        self._descriptor = descriptor
        self._most = segmenter.at_once  # objects decoded together
        self.forget()

    @classmethod
    def build(
        cls, config: SamPtConfig, segmenter: Segmenter[Any, Any] | None = None, descriptor: Descriptor | None = None
    ) -> FrameSegmenter[Any, Any]:
        """Build the parts that `config` names, unless one is given; raises ConfigError or CheckpointError."""
        segmenter = segmenter or build_segmenter(config)
        return cls(segmenter, build_one_shot(config, segmenter), descriptor or build_descriptor(config))

    def forget(self) -> None:
        """Forget the last frame."""
        self._embedding: tuple[Frame, Embedding] | None = None
        self._feature_map: tuple[Frame, np.ndarray] | None = None

    def encode(self, frame: Frame) -> Embedding:
        """The frame's embedding; the latest one is kept, for queries that come after the step.

        This and all other methods raise OutOfMemoryError if memory runs out.
        """
        if self._embedding is None or self._embedding[0] is not frame:
            self._embedding = None  # so that two never have to fit into memory
            with self.saving_memory():
                self._embedding = (frame, self._segmenter.encode(frame))
        return self._embedding[1]

    @property
    def asynchronous(self) -> bool:
        """Whether `encode` returns at once, while a GPU still computes the embedding."""
        return self._segmenter.asynchronous

    @property
    def adapts_detail(self) -> bool:
        """Whether `masks` is faster with less detail."""
        return self._segmenter.adapts_detail

    @property
    def prepares_beside(self) -> bool:
        """Whether `prepare` may be called in other threads."""
        return self._segmenter.concurrent

    @property
    def describes_beside(self) -> bool:
        """Whether the function that `describing` returns may be called in other threads."""
        return (self._descriptor or self._segmenter).concurrent

    def prepare(self, frame: Frame, masks: Sequence[LocalMask], objects: int, detail: float) -> None:
        """Encode the frame, and compute in advance what `masks` will need: see Segmenter.prepare."""
        embedding = self.encode(frame)
        with self.saving_memory():
            self._segmenter.prepare(embedding, masks, objects, detail)

    def masks(
        self,
        frame: Frame,
        prompts: Sequence[ObjectPrompt[Memory]],
        refinements: int,
        ambiguous: bool = False,
        detail: float = 1.0,
    ) -> list[tuple[LocalMask, float]]:
        """(mask of bool, predicted IoU) of B >= 1 objects; see mask_decoding.segment."""
        embedding = self.encode(frame)
        at_once = min(self._most or len(prompts), len(prompts))
        found: list[tuple[LocalMask, float]] = []
        for first in range(0, len(prompts), at_once):
            batch = prompts[first : first + at_once]
            with self.saving_memory(len(batch)):
                found += segment(self._segmenter, embedding, batch, refinements, ambiguous, detail).local_results()
        return found

    def remember(self, frame: Frame, mask: LocalMask, memory: Memory | None) -> Memory | None:
        """The segmenter's memory of an object, updated by one more accepted mask: see Segmenter.remember."""
        return self._segmenter.remember(self.encode(frame), mask, memory) if self._segmenter.remembers else memory

    def describe(self, frame: Frame) -> np.ndarray:
        """The frame's feature map (h, w, C) float32: see Segmenter.describe."""
        describing = self.describing(frame)
        with self.saving_memory():
            self._feature_map = (frame, describing())
        return self._feature_map[1]

    def describing(self, frame: Frame) -> Callable[[], np.ndarray]:
        """A function that computes the result of `describe` in another thread, without changing this object."""
        known, descriptor = self._feature_map, self._descriptor
        if known is not None and known[0] is frame:
            return lambda: known[1]
        if descriptor is not None:
            return lambda: descriptor.describe(frame)
        embedding = self.encode(frame)
        return lambda: self._segmenter.describe(frame, embedding)

    def describe_object(self, frame: Frame, mask: LocalMask) -> WindowFeatures:
        """The features around a mask with at least one pixel: see Segmenter.describe_object."""
        embedding = self.encode(frame)
        with self.saving_memory():
            return self._segmenter.describe_object(frame, embedding, mask)

    def target(self, picture: Frame, mask: np.ndarray) -> Any:
        """The one-shot method's representation of a picture: see OneShot.target; None without a method."""
        if self._one_shot is None:
            return None
        embedding = self.encode(picture)
        with self.saving_memory():
            return self._one_shot.target(embedding, mask)

    def find(self, frame: Frame, target: Any, excluded: np.ndarray) -> Finding:
        """Where the object of a target, as returned by `target`, most likely is: see OneShot.find."""
        if self._one_shot is None:
            raise ValueError("expected a one-shot method to find objects with; got none")
        embedding = self.encode(frame)
        with self.saving_memory():
            return self._one_shot.find(embedding, target, excluded)

    @contextmanager
    def saving_memory(self, objects: int = 1) -> Iterator[None]:
        """If memory runs out in a block, use less of it from now on, and raise OutOfMemoryError.

        objects: number of objects decoded together
        """
        try:
            yield
        except Exception as error:
            if isinstance(error, OutOfMemoryError) or not _is_out_of_memory(error):
                raise
            change = self._economize(objects) or "take a smaller preset, fewer objects or smaller images"
            raise OutOfMemoryError(f"out of memory: {change}") from error

    def _economize(self, objects: int) -> str:
        """Free unused memory, and use less from now on; returns what has changed in words, or "" for nothing."""
        self._embedding = None
        _free()
        if objects > 1:
            self._most = -(-objects // 2)
            return f"from now on masks are made {self._most} at a time"
        return self._segmenter.economize()


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the GPU or the machine ran out of memory."""
    torch = sys.modules.get("torch")  # without it, no GPU memory is used
    return isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.cuda.OutOfMemoryError))


def _free() -> None:
    """Release the GPU memory that torch keeps for reuse."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
