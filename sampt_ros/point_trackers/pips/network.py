"""The network of PIPS (Harley et al., ECCV 2022): it moves points through a window of frames, all frames at once.

Parts are named so that the state dict is the published checkpoint's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_CHANNELS = 128  # of the maps and of a point's feature
_LEVELS = 4  # of the pyramid
_RADIUS = 3  # of the correlated neighbourhood, in a level's pixels
_FREQUENCIES = 31.25 * torch.arange(32)
_EMBEDDING = 3 * (2 * len(_FREQUENCIES) + 1)
_TOKEN = _CHANNELS + _LEVELS * (2 * _RADIUS + 1) ** 2 + _EMBEDDING
_WIDTH, _DEPTH = 512, 12  # of the mixer

Pyramid = tuple[Tensor, ...]  # maps (frames, h, w, 128) at the encoder's stride and at 2, 4, 8 times that


class Pips(nn.Module):
    """Points followed through `window` frames; coordinates are in maps of 1 / `stride` of the image's size."""

    def __init__(self, window: int = 8, stride: int = 4) -> None:
        super().__init__()
        self.window = window
        self.stride = stride
        self.fnet = _Encoder(stride)
        self.delta_block = nn.ModuleDict({"to_delta": _mixer(window)})
        self.norm = nn.GroupNorm(1, _CHANNELS)
        self.ffeat_updater = nn.Sequential(nn.Linear(_CHANNELS, _CHANNELS), nn.GELU())
        self.vis_predictor = nn.Sequential(nn.Linear(_CHANNELS, 1))

    def forward(
        self, frames: Tensor, query_xy: Tensor, iterations: int = 6, feature: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Points that all lie on the first frame.

        frames (window, H, W, 3) uint8 RGB; query_xy (N, 2) float32 pixels; feature (N, 128) as a call before returned
        it, if the points are the continuation of older ones. Returns the trajectory (iterations, window, N, 2) in
        pixels after each iteration, visibility logits (window, N) and the feature.
        """
        pyramid = self.encode(frames)
        first = torch.zeros(len(query_xy), dtype=torch.long, device=query_xy.device)
        if feature is None:
            feature = self.feature(pyramid, first, query_xy)
        windows = first[:, None] + torch.arange(self.window, device=query_xy.device)
        return *self.follow(pyramid, windows, query_xy, feature, iterations), feature

    def encode(self, frames: Tensor) -> Pyramid:
        """The maps of frames (F, H, W, 3) uint8 RGB; a frame's are the same in whatever company it comes."""
        levels = [self.fnet(frames)]
        for _ in range(_LEVELS - 1):
            levels.append(functional.avg_pool2d(levels[-1], 2))
        return tuple(level.permute(0, 2, 3, 1).contiguous() for level in levels)

    def feature(self, pyramid: Pyramid, frame: Tensor, query_xy: Tensor) -> Tensor:
        """(N, 128): what the encoder sees at pixels query_xy (N, 2) of frames `frame` (N,); clamped at the edges."""
        _, height, width, _ = pyramid[0].shape
        low = query_xy.new_zeros(2)
        xy = (query_xy / self.stride).clamp(low, query_xy.new_tensor([width - 1, height - 1]))
        corner = xy.floor()
        x, y = _pixels_from(corner.long(), 2)
        around = pyramid[0][frame[:, None, None], y.clamp(max=height - 1), x.clamp(max=width - 1)]
        return _blend(around, xy - corner)[:, 0, 0]

    def follow(
        self, pyramid: Pyramid, windows: Tensor, query_xy: Tensor, feature: Tensor, iterations: int
    ) -> tuple[Tensor, Tensor]:
        """Points whose windows may differ: row n of windows (N, window) says which frames of `pyramid` are point n's.

        query_xy (N, 2) pixels in each point's first frame; feature (N, 128). Returns the trajectory (iterations,
        window, N, 2) in pixels after each iteration and visibility logits (window, N).
        """
        start = (query_xy / self.stride)[:, None]
        xy, state = start.repeat(1, self.window, 1), feature[:, None].repeat(1, self.window, 1)
        times = torch.linspace(0, self.window, self.window, device=xy.device).expand(len(xy), -1)[..., None]
        trajectory = []
        for _ in range(iterations):
            seen = [_correlation(level, windows, xy / 2**power, state) for power, level in enumerate(pyramid)]
            token = torch.cat([state, *seen, _embedding(torch.cat([xy - start, times], -1))], -1)
            step = self.delta_block["to_delta"](token).unflatten(-1, (self.window, 2 + _CHANNELS))
            state = state + self.ffeat_updater(self.norm(step[..., 2:].flatten(0, 1))).view_as(state)
            xy = torch.cat([start, (xy + step[..., :2])[:, 1:]], 1)
            trajectory.append(self.stride * xy.transpose(0, 1))
        return torch.stack(trajectory), self.vis_predictor(state)[..., 0].T


def _pixels_from(corner: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """x (..., 1, side) and y (..., side, 1) of the square of `side` pixels whose first is `corner` (..., 2)."""
    offsets = torch.arange(side, device=corner.device)
    return corner[..., None, :1] + offsets, corner[..., 1:, None] + offsets[:, None]


def _blend(values: Tensor, part: Tensor) -> Tensor:
    """Bilinear values (..., a - 1, b - 1, C), `part` (..., 2) xy of a pixel on from values (..., a, b, C)."""
    x, y = (axis[..., None, None] for axis in part.split(1, -1))
    rows = values[..., :-1, :, :] * (1 - y) + values[..., 1:, :, :] * y
    return rows[..., :-1, :] * (1 - x) + rows[..., 1:, :] * x


def _correlation(level: Tensor, windows: Tensor, xy: Tensor, state: Tensor) -> Tensor:
    """(N, S, 49): features `state` (N, S, 128) dotted with `level` (F, h, w, 128) around xy (N, S, 2).

    Only the pixels around a point are dotted; then the dots, not the maps, are interpolated: the same numbers.
    x is the outer offset, y the inner one; the map is zero outside.
    """
    _, height, width, channels = level.shape
    corner = xy.floor()
    x, y = _pixels_from(corner.long() - _RADIUS, 2 * _RADIUS + 2)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    around = level[windows[..., None, None], y.clamp(0, height - 1), x.clamp(0, width - 1)]
    dots = torch.einsum("nsyxc,nsc->nsyx", around, state) * inside / math.sqrt(channels)
    return _blend(dots[..., None], xy - corner)[..., 0].transpose(-1, -2).flatten(-2)


def _embedding(values: Tensor) -> Tensor:
    """(..., 195): sines in even and cosines in odd places, axis by axis, and then the values (..., 3) themselves."""
    angles = values[..., None] * _FREQUENCIES.to(values)
    waves = torch.stack([angles.sin(), angles.cos()], -1)
    return torch.cat([waves.flatten(-3), values], -1)


class _Encoder(nn.Module):
    """Image features at 1 / stride of the resolution, from four scales."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.layer1 = nn.Sequential(_Residual(64, 64, 1), _Residual(64, 64, 1))
        self.layer2 = nn.Sequential(_Residual(64, 96, 2), _Residual(96, 96, 1))
        self.layer3 = nn.Sequential(_Residual(96, 128, 2), _Residual(128, 128, 1))
        self.layer4 = nn.Sequential(_Residual(128, 128, 2), _Residual(128, 128, 1))
        self.conv2 = nn.Conv2d(64 + 96 + 128 + 128, 2 * _CHANNELS, 3, padding=1)
        self.conv3 = nn.Conv2d(2 * _CHANNELS, _CHANNELS, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """(F, 128, H / stride, W / stride) of frames (F, H, W, 3) uint8; the division is rounded up."""
        image = 2 * frames.permute(0, 3, 1, 2).float() / 255 - 1
        height, width = image.shape[2:]
        smallest = 2 ** (_LEVELS - 1) * self.stride  # one pixel in the last level
        bottom, right = (max(smallest, -(-side // self.stride) * self.stride) - side for side in (height, width))
        image = functional.pad(image, (0, right, 0, bottom), mode="replicate")
        size = [side // self.stride for side in image.shape[2:]]
        x, scales = functional.relu(functional.instance_norm(self.conv1(image))), []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            scales.append(functional.interpolate(x, size, mode="bilinear", align_corners=True))
        return self.conv3(functional.relu(functional.instance_norm(self.conv2(torch.cat(scales, 1)))))


class _Residual(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.norm = nn.InstanceNorm2d(out)  # has no parameters
        strided = stride != 1
        self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride), self.norm) if strided else None

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm(self.conv1(x)))
        y = functional.relu(self.norm(self.conv2(y)))
        return functional.relu((x if self.downsample is None else self.downsample(x)) + y)


class _PreNorm(nn.Module):
    """x + fn(norm(x))."""

    def __init__(self, fn: nn.Module) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(_WIDTH)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(self.norm(x))


class _MeanOverFrames(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1)


def _mixer(window: int) -> nn.Sequential:
    """An MLP-mixer from a window's tokens (N, window, 519) to one step (N, window * 130) for all its frames."""

    def hidden(into: nn.Module, out: nn.Module) -> nn.Sequential:
        return nn.Sequential(into, nn.GELU(), nn.Identity(), out)  # the third stands where training drops out

    blocks = (
        nn.Sequential(
            _PreNorm(hidden(nn.Conv1d(window, 4 * window, 1), nn.Conv1d(4 * window, window, 1))),
            _PreNorm(hidden(nn.Linear(_WIDTH, 4 * _WIDTH), nn.Linear(4 * _WIDTH, _WIDTH))),
        )
        for _ in range(_DEPTH)
    )
    out = nn.Linear(_WIDTH, window * (2 + _CHANNELS))
    return nn.Sequential(nn.Linear(_TOKEN, _WIDTH), *blocks, nn.LayerNorm(_WIDTH), _MeanOverFrames(), out)
