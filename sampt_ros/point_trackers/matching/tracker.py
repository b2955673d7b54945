"""Points found again in every frame by matching it with the frame that they were queried in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from sampt_ros.config.point_trackers import MatchingConfig, SuperGlueConfig
from sampt_ros.data_types import Frame
from sampt_ros.point_trackers.base import GroupTracker, PointGroup, Tracks, inside
from sampt_ros.point_trackers.matching.matcher import Keypoints, Matcher, lightglue, superglue
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded
from sampt_ros.weights.loading import load_safetensors

_STRIDE = 8  # pixels: the sides of the network's input are multiples of it


class MatchingTracker(GroupTracker["_Group"]):
    """Queried points are keypoints of their frame, beside those that SuperPoint finds in it.

    A point is where its match is. Without a match it is not visible, and stays where it was. Nothing is remembered of
    the frames in between, so a point is found again after any absence, but one on a plain surface hardly ever.
    """

    def __init__(self, network: Any, config: MatchingConfig | None = None, device: str = "auto") -> None:
        """network: see Matcher; raises CheckpointError as it does."""
        self._config = config or MatchingConfig()
        self._device = torch_device(device)
        self._matcher = Matcher(network.eval())
        self._matcher.parts.to(self._device)
        super().__init__()

    @classmethod
    def superglue(cls, config: SuperGlueConfig, device: str = "auto") -> MatchingTracker:
        """SuperGlue with the weights of `config.checkpoint`; raises CheckpointError."""
        return cls._with_weights("superglue", config.model, superglue(config.keypoints), config, device)

    @classmethod
    def lightglue(cls, config: MatchingConfig, device: str = "auto") -> MatchingTracker:
        """LightGlue with the weights of `config.checkpoint`; raises CheckpointError."""
        return cls._with_weights("lightglue", "lightglue", lightglue(config.keypoints), config, device)

    @classmethod
    def _with_weights(
        cls, name: str, architecture: str, network: Any, config: MatchingConfig, device: str
    ) -> MatchingTracker:
        load_safetensors(network, f"{name}.checkpoint", config.checkpoint, architecture)
        return cls(network, config, device)

    @torch.inference_mode()
    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        tracks = Tracks.start(ids, xy)
        if len(tracks) == 0:
            return tracks
        places = uploaded(_to_model(tracks.xy, frames[0], self._size(frames[0])), self._device)
        reference, rows = self._matcher.reference(self._image(frames[0]), places)
        index, offset = downloaded(rows, places - reference.xy[rows])
        group = _Group(tracks, np.arange(len(tracks)), index, offset, reference)
        for frame in frames[1:]:
            group = self._found(group, frame, self._matcher.detect(self._image(frame)))
        self._groups.append(group)
        return group.tracks

    @torch.inference_mode()
    def follow(self, groups: Sequence[_Group], frame: Frame) -> list[_Group]:
        keypoints = self._matcher.detect(self._image(frame))
        return [self._found(group, frame, keypoints) for group in groups]

    def _found(self, group: _Group, frame: Frame, keypoints: Keypoints) -> _Group:
        """The points of a group in a frame."""
        matches, scores = self._matcher.match(group.reference, keypoints, self._size(frame))
        index, confidence, places = downloaded(matches, scores, keypoints.xy)
        keypoint = group.keypoints[group.rows]
        index, confidence = index[keypoint], confidence[keypoint].astype(np.float32)
        is_matched = index >= 0
        xy = group.tracks.xy.copy()
        found = places[index[is_matched]] + group.offset[group.rows][is_matched]
        xy[is_matched] = _from_model(found, frame, self._size(frame))
        visible = is_matched & inside(xy, frame)
        tracks = Tracks(group.tracks.id, xy, visible, np.clip(confidence, 0, 1) * visible)
        return replace(group, tracks=tracks)

    def _image(self, frame: Frame) -> Tensor:
        """The network's input (H, W) float32 0..1 for a frame."""
        size = self._size(frame)
        gray = np.ascontiguousarray(frame.gray)
        if gray.shape != size:
            interpolation = cv2.INTER_AREA if gray.size > size[0] * size[1] else cv2.INTER_LINEAR
            gray = cv2.resize(gray, size[::-1], interpolation=interpolation)
        return uploaded(gray, self._device).float() / 255

    def _size(self, frame: Frame) -> tuple[int, int]:
        """The (height, width) of the network's input for a frame."""
        ratio = min(1.0, self._config.size / max(frame.size))
        height, width = (max(_STRIDE, round(side * ratio / _STRIDE) * _STRIDE) for side in frame.size)
        return height, width


@dataclass(frozen=True, eq=False)
class _Group(PointGroup):
    """Points that were added together, N of them; a removed one stays a keypoint of its frame.

    keypoints  (N,) int, which of the reference's keypoints stand for them
    offset     (N, 2) float32, from those to the points, in pixels of the network's input
    reference  the keypoints of the frame that they were queried in, about a kilobyte each
    """

    keypoints: np.ndarray
    offset: np.ndarray
    reference: Keypoints


def _to_model(xy: np.ndarray, frame: Frame, size: tuple[int, int]) -> np.ndarray:
    """Pixels (n, 2) of the frame as pixels of the network's input."""
    scale = np.array(size[::-1], np.float32) / np.array(frame.size[::-1], np.float32)
    return ((xy + 0.5) * scale - 0.5).astype(np.float32)


def _from_model(xy: np.ndarray, frame: Frame, size: tuple[int, int]) -> np.ndarray:
    """The inverse of `_to_model`."""
    scale = np.array(frame.size[::-1], np.float32) / np.array(size[::-1], np.float32)
    return ((xy + 0.5) * scale - 0.5).astype(np.float32)
