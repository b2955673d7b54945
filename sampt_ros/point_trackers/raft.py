"""Dense optical flow by a network: recurrent all-pairs field transforms (RAFT; Teed and Deng, ECCV 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.point_trackers import RaftConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers.dense_flow import DenseFlowTracker
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded
from sampt_ros.weights.loading import read_weights

_STRIDE, _SMALLEST = 8, 128  # pixels: sides must be multiples of the one, and at least the other


class Raft(DenseFlowTracker):
    """The flow of the colours, by torchvision's network."""

    def __init__(self, network: Any, config: RaftConfig | None = None, device: str = "auto") -> None:
        """network: a `torchvision.models.optical_flow.RAFT`, or what is called like one."""
        config = config or RaftConfig()
        self._device = torch_device(device)
        self._network = network.to(self._device).eval()
        self._iterations = config.iterations
        super().__init__(config.size, config.carry_size, config.max_error)

    @classmethod
    def from_checkpoint(cls, config: RaftConfig, device: str = "auto") -> Raft:
        """The network `config.model` with the weights of `config.checkpoint`, a state dict as torchvision publishes it.

        Raises CheckpointError.
        """
        try:
            from torchvision.models import optical_flow
        except (ImportError, RuntimeError) as error:  # RuntimeError: of another torch
            raise CheckpointError(f"tracker raft needs the torchvision package: {error}") from None
        network = {"small": optical_flow.raft_small, "large": optical_flow.raft_large}[config.model]()
        name = f"raft_{config.model}"
        network.load_state_dict(read_weights("raft.checkpoint", config.checkpoint, name, network.state_dict()))
        return cls(network, config, device)

    def flow_input(self, frame: Frame) -> np.ndarray:
        return frame.image

    @torch.inference_mode()
    def flow(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        height, width = start.shape[:2]
        refined = self._network(self._prepared(start), self._prepared(end), num_flow_updates=self._iterations)
        flow = refined[-1][0, :, :height, :width].permute(1, 2, 0)
        return downloaded(flow.float().contiguous())[0]

    def _prepared(self, picture: np.ndarray) -> Tensor:
        """(1, 3, h, w) float32 -1..1 of (H, W, 3) uint8, its right and lower edges repeated to a size RAFT takes."""
        image = uploaded(picture, self._device).permute(2, 0, 1)[None].float() / 127.5 - 1
        bottom, right = (max(_SMALLEST, -(-length // _STRIDE) * _STRIDE) - length for length in picture.shape[:2])
        return functional.pad(image, (0, right, 0, bottom), mode="replicate")
