"""DeAOT (Yang and Yang, NeurIPS 2022): what objects look like and which is which are matched in two branches."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.mask_propagators import DeaotConfig
from sampt_ros.data_types import Frame
from sampt_ros.mask_propagators.base import MaskPropagator, PropagatedMask, require_pixels
from sampt_ros.mask_propagators.deaot.architectures import deaot, part
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded
from sampt_ros.weights import imagenet
from sampt_ros.weights.loading import read_weights

_STRIDE = 16  # pixels in a place of the memory, in either direction


class Deaot(MaskPropagator):
    """One engine of the package for each object; all share a frame's features, and no two have the same pixel.

    An engine of the package could follow ten objects, but it can forget none: what was removed would stay in its
    memory, and claim its pixels.
    """

    def __init__(self, network: Any, config: DeaotConfig | None = None, device: str = "auto") -> None:
        """network: a `aot.networks.models.DeAOT`"""
        self._config = config or DeaotConfig()
        self._device = torch_device(device)
        self._network = network.to(self._device).eval()
        self._gap = network.cfg.TEST_LONG_TERM_MEM_GAP
        self.reset()

    @classmethod
    def from_checkpoint(cls, config: DeaotConfig, device: str = "auto") -> Deaot:
        """DeAOT `config.model` with the weights of `config.checkpoint`; raises CheckpointError."""
        network = deaot(config.model)
        weights = read_weights(
            "deaot.checkpoint", config.checkpoint, config.model, network.state_dict(), entry="state_dict"
        )
        network.load_state_dict(weights)
        return cls(network, config, device)

    def reset(self) -> None:
        # The package's predictor of many engines says how their masks are made to exclude one another.
        self._all: Any = part("aot.networks.engines").DeAOTInferEngine(self._network, max_aot_obj_num=1)
        self._engines: dict[int, Any] = {}
        self._fresh: set[int] = set()  # Objects whose engines began with the newest frame.
        # (1, 1, h, w): 1 + the row of each pixel's object on the newest frame, or 0; None before the first object.
        self._labels: Tensor | None = None
        self._newest: tuple[Frame, Tensor, Any] | None = None  # with the network's input and its features

    def sibling(self) -> Deaot:
        return Deaot(self._network, self._config, str(self._device))

    @torch.inference_mode()
    def start(self, object_id: int, mask: np.ndarray, frame: Frame) -> None:
        require_pixels(object_id, mask)
        image, features = self._take(frame)
        given = uploaded(self._fitted(mask, frame), self._device)[None, None]
        # A known object keeps its memory, as in the package, and the given mask is what it will remember of this frame.
        if object_id not in self._engines or object_id in self._fresh:
            engine = part("aot.networks.engines").DeAOTEngine(self._network, long_term_mem_gap=self._gap).eval()
            engine.add_reference_frame(image, given.float(), obj_nums=[1], img_embs=features)
            self._engines[object_id] = engine
            self._fresh.add(object_id)
        row = list(self._engines).index(object_id) + 1
        labels = torch.zeros_like(given, dtype=torch.float32) if self._labels is None else self._labels
        labels = torch.where(labels == row, 0, labels)
        self._labels = torch.where(given, row, labels)

    def remove(self, object_id: int) -> None:
        if object_id not in self._engines:
            return
        row = list(self._engines).index(object_id) + 1
        del self._engines[object_id]
        self._fresh.discard(object_id)
        if not self._engines:
            self.reset()
        elif self._labels is not None:
            kept = torch.where(self._labels == row, 0, self._labels)
            self._labels = torch.where(kept > row, kept - 1, kept)

    @torch.inference_mode()
    def update(self, frame: Frame) -> dict[int, PropagatedMask]:
        if not self._engines:
            return {}
        self._remember()
        image, features = self._take(frame)
        found = []
        for engine in self._engines.values():
            engine.match_propogate_one_frame(image, img_embs=features)
            found.append(engine.decode_current_logits(frame.size))
        probabilities = self._all.soft_logit_aggregation(found).softmax(1)
        labels = probabilities.argmax(1, keepdim=True).float()
        self._labels = functional.interpolate(labels, image.shape[2:], mode="nearest")
        (masks,) = downloaded(probabilities[0, 1:])
        return {object_id: PropagatedMask.of(mask.copy()) for object_id, mask in zip(self._engines, masks)}

    def _remember(self) -> None:
        """Let the engines remember the newest frame with what is known of it by now, and forget what is too old.

        An engine that began with this frame remembers it already.
        """
        for row, (object_id, engine) in enumerate(self._engines.items(), 1):
            if self._labels is not None and object_id not in self._fresh:
                engine.update_short_term_memory(torch.where(self._labels == row, 1.0, 0.0))
            # The newest frames come first, and the one that the object was started on is the last.
            most = self._config.memories * engine.enc_hw
            engine.long_term_memories = [
                [_shortened(each, most, engine.enc_hw) for each in layer] for layer in engine.long_term_memories
            ]
        self._fresh.clear()

    def _take(self, frame: Frame) -> tuple[Tensor, Any]:
        """The network's input for a frame and its features, which are made unless it is the newest one."""
        if self._newest is not None and self._newest[0] is frame:
            return self._newest[1:]
        size = self._size(frame)
        pixels = np.ascontiguousarray(frame.image)
        if frame.size != size:
            pixels = cv2.resize(pixels.astype(np.float32), size[::-1], interpolation=cv2.INTER_CUBIC)
        image = uploaded(pixels, self._device).permute(2, 0, 1)[None].float() / 255
        image = imagenet.normalized(image)
        self._newest = frame, image, self._network.encode_image(image)
        return self._newest[1:]

    def _fitted(self, mask: np.ndarray, frame: Frame) -> np.ndarray:
        """A mask (H, W) bool at the size that the network works on."""
        size = self._size(frame)[::-1]
        fitted = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        if not fitted.any():  # So thin that no pixel is left of it.
            fitted = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        found: np.ndarray = fitted > 0
        return found

    def _size(self, frame: Frame) -> tuple[int, int]:
        """The (height, width) that the network works on: multiples of the stride, plus 1 where corners are aligned."""
        more = int(self._network.cfg.MODEL_ALIGN_CORNERS)
        scale = min(1.0, self._config.size / min(frame.size))
        height, width = (max(1, round((side * scale - more) / _STRIDE)) * _STRIDE + more for side in frame.size)
        return height, width


def _shortened(memory: Tensor | None, most: int, frame: int) -> Tensor | None:
    """A memory (places, 1, C) of not more than `most` places: the newest, and those of the oldest `frame` ones."""
    if memory is None or len(memory) <= most:
        return memory
    return torch.cat([memory[: most - frame], memory[-frame:]])
