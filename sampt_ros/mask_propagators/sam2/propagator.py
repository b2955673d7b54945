"""SAM 2 (Ravi et al., 2024) and EdgeTAM (Zhou et al., CVPR 2025) with their memory of an object's masks."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.segmenters import EdgeTamConfig, Sam2Config
from sampt_ros.data_types import Frame
from sampt_ros.mask_propagators.base import MaskPropagator, PropagatedMask, require_pixels
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded
from sampt_ros.weights import imagenet
from sampt_ros.weights.loading import load_safetensors
from sampt_ros.weights.sam2_architectures import edgetam_video, sam2_video


class Sam2Video(MaskPropagator):
    """One inference session of the package for each object; all share the newest frame's features.

    In the package's version that this was tested with, objects of one session disturb one another when one is added,
    and none can be removed. A session keeps every frame and all that it made of it; here what the network cannot look
    back to any more is dropped, so that an object takes a few megabytes, however long it is followed.
    """

    def __init__(self, network: Any, device: str = "auto") -> None:
        """network: a `transformers.Sam2VideoModel` or `EdgeTamVideoModel`"""
        self._device = torch_device(device)
        self._network = network.to(self._device).eval()
        self._side = network.config.image_size
        self.reset()

    @classmethod
    def sam2(cls, config: Sam2Config, device: str = "auto") -> Sam2Video:
        """SAM 2.1 `config.model` with the weights of `config.checkpoint`; raises CheckpointError."""
        network = sam2_video(config.model)
        load_safetensors(network, "sam2.checkpoint", config.checkpoint, config.model)
        return cls(network, device)

    @classmethod
    def edgetam(cls, config: EdgeTamConfig, device: str = "auto") -> Sam2Video:
        """EdgeTAM with the weights of `config.checkpoint`; raises CheckpointError."""
        network = edgetam_video()
        load_safetensors(network, "edgetam.checkpoint", config.checkpoint, "edgetam")
        return cls(network, device)

    def reset(self) -> None:
        self._sessions: dict[int, Any] = {}
        self._index = -1  # Number of the newest frame.
        self._newest: tuple[Frame, Tensor] | None = None
        self._cache: Any = None  # Of the newest frame's features, for all sessions.

    def sibling(self) -> Sam2Video:
        return Sam2Video(self._network, str(self._device))

    @torch.inference_mode()
    def start(self, object_id: int, mask: np.ndarray, frame: Frame) -> None:
        require_pixels(object_id, mask)
        image = self._take(frame)
        if object_id not in self._sessions:
            self._sessions[object_id] = self._session()
        session = self._sessions[object_id]
        session.add_mask_inputs(session.obj_id_to_idx(object_id), self._index, self._square(mask))
        session.obj_with_new_inputs = [object_id]
        self._run(session, image)

    def remove(self, object_id: int) -> None:
        self._sessions.pop(object_id, None)

    @torch.inference_mode()
    def update(self, frame: Frame) -> dict[int, PropagatedMask]:
        if not self._sessions:
            return {}
        image = self._take(frame)
        found = {}
        for object_id, session in self._sessions.items():
            output = self._run(session, image)
            logits = functional.interpolate(output.pred_masks.float(), frame.size, mode="bilinear", align_corners=False)
            mask, presence = downloaded(logits[0, 0].sigmoid(), output.object_score_logits.float().sigmoid().flatten())
            propagated = PropagatedMask.of(mask)
            found[object_id] = PropagatedMask(mask, propagated.certainty * float(presence[0]))
        return found

    def _session(self) -> Any:
        """A session for one more object."""
        module = importlib.import_module(type(self._network).__module__)
        kind = getattr(module, type(self._network).__name__.replace("Model", "InferenceSession"))
        session = kind(
            inference_device=self._device,
            inference_state_device=self._device,
            video_storage_device=self._device,
            dtype=torch.float32,
        )
        self._cache = self._cache or session.cache
        session.cache = self._cache
        return session

    def _take(self, frame: Frame) -> Tensor:
        """The network's input (3, S, S) float32 for a frame, which is counted if it is a new one."""
        if self._newest is not None and self._newest[0] is frame:
            return self._newest[1]
        pixels = uploaded(np.ascontiguousarray(frame.image), self._device).permute(2, 0, 1)[None].float()
        size = (self._side, self._side)
        if pixels.shape[2:] != size:
            pixels = functional.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=True).round()
        image = imagenet.normalized(pixels / 255)[0]
        self._index += 1
        self._newest = frame, image
        return image

    def _square(self, mask: np.ndarray) -> Tensor:
        """A mask (H, W) bool as the network takes it: (1, 1, S, S) float32, 0 or 1."""
        whole = uploaded(mask.astype(np.float32), self._device)[None, None]
        square = functional.interpolate(
            whole, (self._side, self._side), mode="bilinear", align_corners=False, antialias=True
        )
        # So thin a mask that no pixel is mostly on it keeps those that are on it at all.
        return (square >= min(0.5, float(square.max()))).float()

    def _run(self, session: Any, image: Tensor) -> Any:
        """One step of a session on the newest frame; then all is dropped that no later step looks at."""
        output = self._network(inference_session=session, frame=image, frame_idx=self._index)
        session.processed_frames.clear()
        config = self._network.config
        oldest_pointer = self._index - config.max_object_pointers_in_encoder
        oldest_memory = self._index - config.num_maskmem + 1
        for outputs in session.output_dict_per_obj.values():
            later = outputs["non_cond_frame_outputs"]
            for index in [index for index in later if index < oldest_pointer]:
                del later[index]
            for index, kept in later.items():
                if index < oldest_memory:
                    kept.pop("maskmem_features", None)
                    kept.pop("maskmem_pos_enc", None)
            for kept in (*later.values(), *outputs["cond_frame_outputs"].values()):
                kept.pop("high_res_masks", None)
        for tracked in session.frames_tracked_per_obj.values():
            for index in [index for index in tracked if index < oldest_pointer]:
                del tracked[index]
        for masks in session.mask_inputs_per_obj.values():
            masks.clear()
        return output
