"""What a mask propagator is: it remembers objects by their masks, and finds each object's mask in the next frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sampt_ros.data_types import Frame


@dataclass(frozen=True, eq=False)
class PropagatedMask:
    """An object's mask in a frame.

    mask       (H, W) float32 0..1, over 0.5 on the object
    certainty  0..1, how sure the propagator is of it; 0 for a mask that is empty
    """

    mask: np.ndarray
    certainty: float

    @classmethod
    def of(cls, mask: np.ndarray) -> PropagatedMask:
        """A mask (H, W) float32 0..1, as sure as its pixels are on the average."""
        on_object = mask[mask > 0.5]
        return cls(mask, float(on_object.mean()) if on_object.size else 0.0)


class MaskPropagator(ABC):
    """Follows the masks of objects, known by id, through a stream of frames, in bounded memory."""

    @abstractmethod
    def reset(self) -> None:
        """Forget all objects and frames."""

    @abstractmethod
    def start(self, object_id: int, mask: np.ndarray, frame: Frame) -> None:
        """Follow an object from its mask (H, W) bool on `frame`; a known object goes on from it and keeps its memory.

        frame: the one of the latest update, or the stream's first. An empty mask raises ValueError.
        """

    @abstractmethod
    def remove(self, object_id: int) -> None:
        """Forget an object; an unknown id is ignored."""

    @abstractmethod
    def update(self, frame: Frame) -> dict[int, PropagatedMask]:
        """The mask of every object on `frame`, the next of the stream, by id."""

    @abstractmethod
    def sibling(self) -> MaskPropagator:
        """A propagator that shares the network with this one, and follows no objects yet."""

    def follow(self, mask: np.ndarray, frames: Sequence[Frame]) -> PropagatedMask:
        """A mask (H, W) bool of frames[0] on frames[-1], without a change to the objects that are followed."""
        alone = self.sibling()
        alone.start(1, mask, frames[0])
        found = PropagatedMask.of(mask.astype(np.float32))
        for frame in frames[1:]:
            found = alone.update(frame)[1]
        return found


def require_pixels(object_id: int, mask: np.ndarray) -> None:
    """Raise ValueError for a mask (H, W) bool without a pixel."""
    if not mask.any():
        raise ValueError(f"expected a mask with at least one pixel for object {object_id}; got an empty one")
