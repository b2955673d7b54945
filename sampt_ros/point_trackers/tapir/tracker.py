"""Online TAPIR with the weights of BootsTAP (Doersch et al., ICCV 2023; ACCV 2024): one frame after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.point_trackers import TapirConfig
from sampt_ros.data_types import Frame
from sampt_ros.point_trackers.base import PointTracker, Tracks, inside
from sampt_ros.point_trackers.tapir.network import Tapir
from sampt_ros.utils.cuda_graphs import Graphed, rounded
from sampt_ros.utils.torch_device import SideStream, downloaded, staged, torch_device, uploaded
from sampt_ros.weights.loading import read_weights

_VISIBLE = 0.5
_KEPT_MAPS = 8  # Frames whose maps are kept, so that fresh points can follow without another pass of the encoder.


class TapirTracker(PointTracker):
    """Every point has its feature, and a state of what the network saw in the last frames; no two points share any.

    The network finds a point in the whole of every frame, and refines its place by what it remembers. It was trained
    on video of everyday frame rates: below about 12 frames/s it tracks less well.
    """

    def __init__(self, network: Tapir, device: str = "auto") -> None:
        self._device = torch_device(device)
        self._network = network.to(self._device).eval()
        self._encode = Graphed(network.encode, self._device)
        self._follow = Graphed(self._moved, self._device, allow_tf32=True)
        # Many small kernels, each of which would otherwise wait for a large one of the segmenter's encoder.
        self._stream = SideStream(self._device, urgent=True)
        self.reset()

    @classmethod
    def from_checkpoint(cls, config: TapirConfig, device: str = "auto") -> TapirTracker:
        """The network with the weights of `config.checkpoint`, a state dict as published; raises CheckpointError."""
        network = Tapir()
        weights = read_weights("tapir.checkpoint", config.checkpoint, "tapir", network.state_dict())
        network.load_state_dict(weights)
        return cls(network, device)

    @torch.inference_mode()
    def reset(self) -> None:
        self._maps: list[tuple[Frame, tuple[Tensor, ...]]] = []  # The newest is the last.
        empty = torch.zeros(0, self._network.feature_size, device=self._device)
        self._points = _Points(np.zeros(0, np.uint32), empty, *self._network.fresh_state(0))

    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        tracks = Tracks.start(ids, xy)
        if len(tracks) == 0:
            return tracks
        with torch.inference_mode(), self._stream():
            fine, coarse, _ = self._encoded(frames[0])
            places = uploaded(_to_model(tracks.xy, frames[0], self._network.size), self._device)
            feature = self._network.feature(fine, coarse, places)
            points = _Points(tracks.id, feature, *self._network.fresh_state(len(tracks)))
            for frame in frames:  # The query's own frame is the first that the state remembers.
                followed, points = self._followed(points, frame)
        self._points = self._points + points
        return followed if len(frames) > 1 else tracks

    @torch.inference_mode()
    def remove(self, ids: np.ndarray) -> None:
        kept = np.flatnonzero(~np.isin(self._points.id, ids))
        if len(kept) < len(self._points):
            self._points = self._points.at(kept, self._device)

    def update(self, frame: Frame) -> Tracks:
        if len(self._points) == 0:
            return Tracks.start(np.zeros(0), np.zeros((0, 2)))
        with torch.inference_mode(), self._stream():
            tracks, self._points = self._followed(self._points, frame)
        return tracks

    def _followed(self, points: _Points, frame: Frame) -> tuple[Tracks, _Points]:
        """The points in one more frame."""
        memory = points.feature, points.inputs, points.hidden
        if self._device.type == "cuda":  # So that recordings for few numbers of points suffice.
            more = rounded(len(points)) - len(points)
            memory = tuple(functional.pad(tensor, (*(0, 0) * (tensor.ndim - 1), 0, more)) for tensor in memory)  # type: ignore[assignment]
        xy, occlusion, distance, *state = self._follow(*memory, *self._encoded(frame))
        points = _Points(points.id, points.feature, *(tensor[: len(points)] for tensor in state))
        found = downloaded(xy, (1 - occlusion.sigmoid()) * (1 - distance.sigmoid()))
        places, confidence = (array[: len(points)] for array in found)
        xy_in_image = _from_model(places, frame, self._network.size)
        within = inside(xy_in_image, frame)
        return Tracks(points.id, xy_in_image, (confidence > _VISIBLE) & within, confidence * within), points

    def _moved(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return self._network.follow(*tensors)

    def _encoded(self, frame: Frame) -> tuple[Tensor, ...]:
        """The maps of a frame, which are made once for each of the last frames."""
        for known, maps in reversed(self._maps):
            if known is frame:
                return maps
        maps = self._encode(staged(_resized(frame.image, self._network.size), self._device))
        self._maps = [*self._maps, (frame, maps)][-_KEPT_MAPS:]
        return maps


@dataclass(frozen=True, eq=False)
class _Points:
    """N points and what is remembered of them: about 1 MB each; see the network.

    id       (N,) uint32
    feature  (N, 384), of the query, on the network's device
    inputs, hidden  their state
    """

    id: np.ndarray
    feature: Tensor
    inputs: Tensor
    hidden: Tensor

    def __len__(self) -> int:
        return len(self.id)

    def __add__(self, other: _Points) -> _Points:
        pairs = (self.feature, other.feature), (self.inputs, other.inputs), (self.hidden, other.hidden)
        return _Points(np.concatenate([self.id, other.id]), *(torch.cat(pair) for pair in pairs))

    def at(self, rows: np.ndarray, device: torch.device) -> _Points:
        """Some of the points; rows (n,) int."""
        index = uploaded(rows, device)
        tensors = self.feature, self.inputs, self.hidden
        return _Points(self.id[rows], *(tensor.index_select(0, index) for tensor in tensors))


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    """The image stretched to a square, as the network was trained; each pixel is the mean of those it replaces."""
    if image.shape[:2] == (size, size):
        return image
    interpolation = cv2.INTER_AREA if max(image.shape[:2]) > size else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(image), (size, size), interpolation=interpolation)


def _to_model(xy: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Pixels (N, 2) of the image as pixels of the network's square, whose origin is the corner of its first pixel."""
    scale = size / np.array(frame.size[::-1], np.float32)
    return ((xy + 0.5) * scale).astype(np.float32)


def _from_model(xy: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """The inverse of `_to_model`."""
    scale = np.array(frame.size[::-1], np.float32) / size
    return (xy * scale - 0.5).astype(np.float32)
