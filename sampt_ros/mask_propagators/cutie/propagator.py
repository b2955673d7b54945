"""Cutie (Cheng et al., CVPR 2024), XMem's successor: objects are remembered by pixels and as a whole."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.mask_propagators import CutieConfig
from sampt_ros.data_types import Frame
from sampt_ros.mask_propagators.base import MaskPropagator, PropagatedMask, require_pixels
from sampt_ros.mask_propagators.cutie.architectures import LEAST_PLACES, cutie, part
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded
from sampt_ros.weights.loading import read_weights

_STRIDE = 16  # pixels in a place of the memory, in either direction


class Cutie(MaskPropagator):
    """All objects in one inference core of the package, which lets no two of them have the same pixel."""

    def __init__(self, network: Any, settings: Any, config: CutieConfig | None = None, device: str = "auto") -> None:
        """network, settings: a `cutie.model.cutie.CUTIE` and its configuration"""
        self._config = config or CutieConfig()
        self._device = torch_device(device)
        self._network = network.to(self._device).eval()
        self._settings = settings
        self.reset()

    @classmethod
    def from_checkpoint(cls, config: CutieConfig, device: str = "auto") -> Cutie:
        """Cutie `config.model` with the weights of `config.checkpoint`; raises CheckpointError."""
        network, settings = cutie(config.model)
        weights = read_weights("cutie.checkpoint", config.checkpoint, config.model, network.state_dict())
        network.load_state_dict(weights)
        return cls(network, settings, config, device)

    def reset(self) -> None:
        self._core: Any = part("cutie.inference.inference_core").InferenceCore(self._network, self._settings)
        # (objects + 1, h, w) of the newest frame, the background first; without pixels before the first object.
        self._probabilities = torch.zeros(1, 0, 0, device=self._device)

    def sibling(self) -> Cutie:
        return Cutie(self._network, self._settings, self._config, str(self._device))

    @torch.inference_mode()
    def start(self, object_id: int, mask: np.ndarray, frame: Frame) -> None:
        require_pixels(object_id, mask)
        given = _resized(mask.astype(np.uint8), self._size(frame), cv2.INTER_NEAREST)
        if not given.any():  # So thin that no pixel is left of it.
            given = (_resized(mask.astype(np.uint8) * 255, self._size(frame), cv2.INTER_AREA) > 0).astype(np.uint8)
        labels = uploaded(given.astype(np.int64) * object_id, self._device)
        known = list(self._core.object_manager.all_obj_ids)
        ids = [object_id]
        if object_id in known:
            # The package wants the masks of all objects where that of a known one is given.
            labels, ids = torch.where(labels > 0, labels, self._labels(but=object_id)), known
        self._probabilities = self._core.step(self._image(frame), labels, ids)

    def remove(self, object_id: int) -> None:
        ids = list(self._core.object_manager.all_obj_ids)
        if object_id not in ids:
            return
        if len(ids) == 1:
            self.reset()
            return
        kept = [row for row, known in enumerate(ids) if known != object_id]
        self._core.delete_objects([object_id])
        # The package keeps the removed object's channel, and would take another's for it.
        self._core.last_mask = self._core.last_mask[:, kept]
        self._probabilities = self._probabilities[[0, *(row + 1 for row in kept)]]

    @torch.inference_mode()
    def update(self, frame: Frame) -> dict[int, PropagatedMask]:
        ids = list(self._core.object_manager.all_obj_ids)
        if not ids:
            return {}
        self._probabilities = self._core.step(self._image(frame))
        masks = functional.interpolate(
            self._probabilities[None, 1:].float(), frame.size, mode="bilinear", align_corners=False
        )
        (found,) = downloaded(masks[0])
        return {object_id: PropagatedMask.of(mask.copy()) for object_id, mask in zip(ids, found)}

    def _labels(self, but: int) -> Tensor:
        """(h, w) int64: the id of the object at each pixel of the newest frame, 0 for none; one object is left out."""
        ids = [0, *self._core.object_manager.all_obj_ids]
        table = torch.tensor([0 if known == but else known for known in ids], device=self._device)
        return table[self._probabilities.argmax(0)]

    def _image(self, frame: Frame) -> Tensor:
        """(3, h, w) float32 0..1, scaled to the size that the network works on."""
        image = _resized(np.ascontiguousarray(frame.image), self._size(frame), cv2.INTER_AREA)
        return uploaded(image, self._device).permute(2, 0, 1).float() / 255

    def _size(self, frame: Frame) -> tuple[int, int]:
        """The (height, width) that the network works on: not more than configured, nor less than it can take."""
        height, width = frame.size
        scale = min(1.0, self._config.size / min(height, width))
        height, width = round(height * scale), round(width * scale)
        while -(-height // _STRIDE) * -(-width // _STRIDE) < LEAST_PLACES:
            height, width = 2 * height, 2 * width
        return height, width


def _resized(image: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    if image.shape[:2] == size:
        return image
    enlarges = image.shape[0] < size[0]
    smooth = cv2.INTER_LINEAR if enlarges and interpolation == cv2.INTER_AREA else interpolation
    resized: np.ndarray = cv2.resize(image, size[::-1], interpolation=smooth)
    return resized
