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
_WAVES, _FREQUENCY = 32, 31.25  # Number of frequencies of the positional embedding, and the step between them.
_EMBEDDING = 3 * (2 * _WAVES + 1)
_TOKEN = _CHANNELS + _LEVELS * (2 * _RADIUS + 1) ** 2 + _EMBEDDING
_WIDTH, _DEPTH = 512, 12  # of the mixer


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

    def lower_precision(self, precision: torch.dtype) -> None:
        """Let the mixer's layers compute in this format; the sums over all layers stay float32."""
        for module in self.delta_block.modules():
            if isinstance(module, _PreNorm):
                module.fn.to(precision)

    def forward(
        self, frames: Tensor, query_xy: Tensor, iterations: int = 6, feature: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Points that all lie on the first frame.

        frames (window, H, W, 3) uint8 RGB; query_xy (N, 2) float32 pixels; feature (N, 128) as a call before returned
        it, if the points are the continuation of older ones. Returns the trajectory (iterations, window, N, 2) in
        pixels after each iteration, visibility logits (window, N) and the feature.
        """
        maps, levels = self.encode(frames), self.levels((frames.shape[1], frames.shape[2]))
        first = torch.zeros(len(query_xy), dtype=torch.long, device=query_xy.device)
        if feature is None:
            feature = self.feature(maps, levels, first, query_xy)
        windows = first[:, None] + torch.arange(self.window, device=query_xy.device)
        return *self.follow(maps, levels, windows, query_xy, feature, iterations), feature

    def levels(self, size: tuple[int, int]) -> Tensor:
        """(4, 3) long: width, height and first pixel of each level in the maps of images of `size` (height, width)."""
        stride, least = self.stride, 2 ** (_LEVELS - 1)
        height, width = (max(least, -(-side // stride)) for side in size)
        rows, first = [], 0
        for power in range(_LEVELS):
            rows.append((width >> power, height >> power, first))
            first += rows[-1][0] * rows[-1][1]
        return torch.tensor(rows)

    def encode(self, frames: Tensor) -> Tensor:
        """The maps (F, pixels, 128) of frames (F, H, W, 3) uint8 RGB; each frame's do not depend on the others.

        All pixels of the map at the encoder's stride come first, then those at 2, 4 and 8 times that.
        """
        levels = [self.fnet(frames)]
        for _ in range(_LEVELS - 1):
            levels.append(functional.avg_pool2d(levels[-1], 2))
        return torch.cat([level.permute(0, 2, 3, 1).flatten(1, 2) for level in levels], 1)

    def feature(self, maps: Tensor, levels: Tensor, frame: Tensor, query_xy: Tensor) -> Tensor:
        """(N, 128): what the encoder sees at pixels query_xy (N, 2) of frames `frame` (N,); clamped at the edges.

        maps, levels: of some frames, as `encode` and `levels` give them
        """
        xy = (query_xy / self.stride).clamp_min(0).minimum(levels[0, :2] - 1)
        corner = xy.floor()
        around, _ = _looked_up(maps, levels[:1], frame, corner.long()[:, None], 2)
        return _blend(around, (xy - corner)[:, None])[:, 0, 0, 0]

    def follow(
        self, maps: Tensor, levels: Tensor, windows: Tensor, query_xy: Tensor, feature: Tensor, iterations: int
    ) -> tuple[Tensor, Tensor]:
        """Points whose windows may differ: row n of windows (N, window) says which frames of `maps` are point n's.

        maps, levels: of some frames, as `encode` and `levels` give them; query_xy (N, 2) pixels in each point's first
        frame; feature (N, 128). Returns the trajectory (iterations, window, N, 2) in pixels after each iteration and
        visibility logits (window, N).
        """
        xy, state = (
            (query_xy / self.stride)[:, None].repeat(1, self.window, 1),
            feature[:, None].repeat(1, self.window, 1),
        )
        times = torch.linspace(0, self.window, self.window, device=xy.device)
        trajectory = []
        for _ in range(iterations):
            xy, state = self.refined(maps, levels, windows, times, xy, state)
            trajectory.append(self.stride * xy.transpose(0, 1))
        return torch.stack(trajectory), self.vis_predictor(state)[..., 0].T

    def refined(
        self, maps: Tensor, levels: Tensor, windows: Tensor, times: Tensor, xy: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Positions (N, window, 2) in the first level's pixels, and features (N, window, 128), after one iteration."""
        start = xy[:, :1]
        seen = _correlation(maps, levels, windows, xy, state)
        moved = torch.cat([xy - start, times.expand(len(xy), -1)[..., None]], -1)
        token = torch.cat([state, seen, _embedding(moved)], -1)
        step = self.delta_block["to_delta"](token).unflatten(-1, (self.window, 2 + _CHANNELS))
        state = state + self.ffeat_updater(self.norm(step[..., 2:].flatten(0, 1))).view_as(state)
        return torch.cat([start, (xy + step[..., :2])[:, 1:]], 1), state


def _looked_up(maps: Tensor, levels: Tensor, frame: Tensor, corner: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The squares of `side` pixels from `corner` (..., L, 2) long, xy in each of L levels, clamped at the edges.

    frame (...): which of the maps. Returns values (..., L, side, side, 128), y before x, and (..., L, side, side) bool:
    whether a pixel is inside the map.
    """
    width, height, first = (column[:, None, None] for column in levels.unbind(1))
    offsets = torch.arange(side, device=maps.device)
    x, y = corner[..., :1, None] + offsets, corner[..., 1:, None] + offsets[:, None]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    pixel = first + y.clamp_min(0).minimum(height - 1) * width + x.clamp_min(0).minimum(width - 1)
    row = frame[..., None, None, None] * maps.shape[1] + pixel
    return functional.embedding(row, maps.flatten(0, 1)), inside


def _blend(values: Tensor, part: Tensor) -> Tensor:
    """Bilinear values (..., a - 1, b - 1, C), `part` (..., 2) xy of a pixel on from values (..., a, b, C)."""
    x, y = (axis[..., None, None] for axis in part.split(1, -1))
    rows = values[..., :-1, :, :] * (1 - y) + values[..., 1:, :, :] * y
    return rows[..., :-1, :] * (1 - x) + rows[..., 1:, :] * x


def _correlation(maps: Tensor, levels: Tensor, windows: Tensor, xy: Tensor, state: Tensor) -> Tensor:
    """(N, S, L * 49): features `state` (N, S, 128) dotted with all levels of the maps around xy (N, S, 2).

    Only the pixels around a point are dotted; then the dots, not the maps, are interpolated: the same numbers.
    x is the outer offset, y the inner one; the map is zero outside.
    """
    halved = 0.5 ** torch.arange(len(levels), dtype=xy.dtype, device=xy.device)
    xy = xy[:, :, None] * halved[:, None]
    corner = xy.floor()
    around, inside = _looked_up(maps, levels, windows, corner.long() - _RADIUS, 2 * _RADIUS + 2)
    dots = (around.flatten(2, 4) @ state[..., None]).view(inside.shape) * inside / math.sqrt(state.shape[-1])
    return _blend(dots[..., None], xy - corner)[..., 0].transpose(-1, -2).flatten(2)


def _embedding(values: Tensor) -> Tensor:
    """(..., 195): sines in even and cosines in odd places, axis by axis, and then the values (..., 3) themselves."""
    angles = values[..., None] * (_FREQUENCY * torch.arange(_WAVES, dtype=values.dtype, device=values.device))
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
        if bottom or right:
            image = functional.pad(image, (0, right, 0, bottom), mode="replicate")
        size = [side // self.stride for side in image.shape[2:]]
        x, scales = functional.relu(_normalized(self.conv1(image))), []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            scales.append(functional.interpolate(x, size, mode="bilinear", align_corners=True))
        return self.conv3(functional.relu(_normalized(self.conv2(torch.cat(scales, 1)))))


def _normalized(x: Tensor) -> Tensor:
    """(F, C, h, w): each channel of each image by itself, to mean 0 and variance 1."""
    if len(x) == 1:  # Of a single image, batch normalization is the same, and faster on a GPU.
        return functional.batch_norm(x, None, None, training=True)
    return functional.instance_norm(x)


class _Normalization(nn.Module):
    """`_normalized` as a layer; it has no parameters."""

    def forward(self, x: Tensor) -> Tensor:
        return _normalized(x)


class _Residual(nn.Module):
    """Two convolutions and a way around them."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride=stride, padding=1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)
        self.norm = _Normalization()
        strided = stride != 1
        self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride), self.norm) if strided else None

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm(self.conv1(x)))
        y = functional.relu(self.norm(self.conv2(y)))
        return functional.relu((x if self.downsample is None else self.downsample(x)) + y)


class _PreNorm(nn.Module):
    """x + fn(norm(x))."""

    def __init__(self, fn: nn.Sequential) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(_WIDTH)
        self.fn = fn

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fn(self.norm(x).to(self.fn[0].weight.dtype))


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
