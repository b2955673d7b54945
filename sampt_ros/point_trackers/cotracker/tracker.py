"""CoTracker3 online (Karaev et al., 2024) without delay, by the package that its authors publish for research."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sampt_ros.config.point_trackers import CoTrackerConfig
from sampt_ros.data_types import Frame
from sampt_ros.errors import CheckpointError
from sampt_ros.point_trackers.base import GroupTracker, PointGroup, Tracks, inside
from sampt_ros.utils.torch_device import downloaded, torch_device, uploaded
from sampt_ros.weights.loading import read_weights
from sampt_ros.weights.packages import COTRACKER

_VISIBLE = 0.6  # as in the published predictor
_HALVINGS = 3  # of the maps, for the correlation
_WINDOW = 16  # frames

Maps = tuple[Tensor, ...]  # A frame's feature maps (C, h, w), each half the size of the one before.


class CoTracker(GroupTracker["_Group"]):
    """Points that were added together share a window of frames, whose places that are left the newest frame fills.

    The positions in the newest frame are those of the window as it is, so they come without delay. A full window moves
    on by half, and the next one starts from what was found in that half, as the published predictor does.
    """

    def __init__(self, network: Any, config: CoTrackerConfig | None = None, device: str = "auto") -> None:
        """network: a `CoTrackerThreeOnline` of the cotracker package"""
        self._config = config or CoTrackerConfig()
        self._device = torch_device(device)
        self._network = network.to(self._device).eval()
        super().__init__()

    @classmethod
    def from_checkpoint(cls, config: CoTrackerConfig, device: str = "auto") -> CoTracker:
        """The network with the weights of `config.checkpoint`; raises CheckpointError."""
        network = cotracker()
        weights = read_weights("cotracker.checkpoint", config.checkpoint, "cotracker", network.state_dict())
        network.load_state_dict(weights)
        return cls(network, config, device)

    def reset(self) -> None:
        super().reset()
        self._recent: list[tuple[Frame, Maps]] = []  # The newest is the last.

    @torch.inference_mode()
    def add(self, ids: np.ndarray, xy: np.ndarray, frames: Sequence[Frame]) -> Tracks:
        tracks = Tracks.start(ids, xy)
        if len(tracks) == 0:
            return tracks
        maps = self._maps(frames[0])
        places = uploaded(tracks.xy * self._scale(frames[0]), self._device)
        group = _Group(tracks, np.arange(len(tracks)), places, self._support(maps, places), (maps,))
        for frame in frames[1:]:
            group = replace(group, window=(*group.window, self._maps(frame)))
            if frame is frames[-1] or len(group.window) == _WINDOW:  # Other windows would change nothing.
                group = self._followed(group, frame)
        self._groups.append(group)
        return group.tracks

    @torch.inference_mode()
    def follow(self, groups: Sequence[_Group], frame: Frame) -> list[_Group]:
        maps = self._maps(frame)
        grown = (replace(group, window=(*group.window, maps)) for group in groups)
        return [self._followed(group, frame) for group in grown]

    def _followed(self, group: _Group, frame: Frame) -> _Group:
        """The points of a group in the newest frame of its window, which moves on if it is full."""
        network, newest = self._network, len(group.window) - 1
        filled = [*group.window, *group.window[-1:] * (_WINDOW - len(group.window))]
        xy, visible, sure = group.begun()
        all_xy, all_visible, all_sure = network.forward_window(
            [torch.stack(level)[None] for level in zip(*filled)],
            xy / network.stride,
            [support[:, None] for support in group.support],
            vis=visible,
            conf=sure,
            iters=self._config.iterations,
            add_space_attn=True,
        )
        xy, visible, sure = all_xy[-1], all_visible[-1], all_sure[-1]
        places, confidence = downloaded(xy[0, newest], visible[0, newest].sigmoid() * sure[0, newest].sigmoid())
        found, confidence = places[group.rows] / self._scale(frame), confidence[group.rows]
        within = inside(found, frame)
        tracks = Tracks(
            group.tracks.id, found.astype(np.float32), (confidence > _VISIBLE) & within, confidence * within
        )
        group = replace(group, tracks=tracks)
        if len(group.window) < _WINDOW:
            return group
        half = _WINDOW // 2
        return replace(group, window=group.window[half:], found=(xy[:, half:], visible[:, half:], sure[:, half:]))

    def _maps(self, frame: Frame) -> Maps:
        """The feature maps of a frame, which are made once for each of the last frames."""
        for known, maps in reversed(self._recent):
            if known is frame:
                return maps
        image = uploaded(np.ascontiguousarray(frame.image), self._device).permute(2, 0, 1)[None].float()
        size = tuple(self._network.model_resolution)
        image = functional.interpolate(image, size, mode="bilinear", align_corners=True)
        features = self._network.fnet(2 * (image / 255) - 1)
        levels = [features / features.square().sum(1, keepdim=True).clamp_min(1e-12).sqrt()]
        for _ in range(_HALVINGS):
            levels.append(functional.avg_pool2d(levels[-1], 2, stride=2))
        maps = tuple(level[0] for level in levels)
        self._recent = [*self._recent, (frame, maps)][-_WINDOW:]
        return maps

    def _support(self, maps: Maps, places: Tensor) -> tuple[Tensor, ...]:
        """What each level shows around the points (N, 2) on the frame that they were queried in."""
        first = torch.zeros(1, len(places), dtype=torch.long, device=self._device)
        found = []
        for power, level in enumerate(maps):
            xy = places[None] / self._network.stride / 2**power
            _, around = self._network.get_track_feat(level[None, None], first, xy, self._network.corr_radius)
            found.append(around)
        return tuple(found)

    def _scale(self, frame: Frame) -> np.ndarray:
        """(2,): pixels of the network's input per pixel of the frame, between the outermost centres, (x, y)."""
        height, width = self._network.model_resolution
        return np.array([width - 1, height - 1], np.float32) / np.maximum(np.array(frame.size[::-1], np.float32) - 1, 1)


@dataclass(frozen=True, eq=False)
class _Group(PointGroup):
    """Points that were added together, N of them, which help one another: a removed one stays.

    places   (N, 2), where all were queried, in pixels of the network's input
    support  what they look like there, for each level of the maps
    window   the maps of at most 16 frames
    found    positions, visibility and confidence in the first half of the window, if it is not the first one
    """

    places: Tensor
    support: tuple[Tensor, ...]
    window: tuple[Maps, ...]
    found: tuple[Tensor, Tensor, Tensor] | None = None

    def begun(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the network begins with: positions (1, 16, N, 2), logits of visibility and confidence (1, 16, N, 1)."""
        if self.found is None:
            nothing = self.places.new_zeros(1, _WINDOW, len(self.places), 1)
            return self.places.expand(1, _WINDOW, -1, -1), nothing, nothing
        xy, visible, sure = (torch.cat([part, part[:, -1:].expand_as(part)], 1) for part in self.found)
        return xy, visible[..., None], sure[..., None]


def cotracker() -> Any:
    """A `CoTrackerThreeOnline` as published; raises CheckpointError where the package is not installed."""
    state = torch.get_rng_state()  # The package seeds torch when it is imported.
    try:
        module = importlib.import_module("cotracker.models.core.cotracker.cotracker3_online")
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise CheckpointError(f"tracker cotracker needs the package cotracker ({COTRACKER}): {error}") from None
    finally:
        torch.set_rng_state(state)
    return module.CoTrackerThreeOnline(stride=4, corr_radius=3, window_len=_WINDOW)
