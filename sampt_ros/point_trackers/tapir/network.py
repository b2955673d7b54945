"""The network of online TAPIR (Doersch et al., ICCV 2023) as BootsTAP trained it: it moves points to one more frame.

Parts are named so that the state dict is the published checkpoint's. All coordinates here are (x, y) in pixels of the
square image that the network sees, with (0, 0) at the outer corner of the first pixel, not at its centre.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

ITERATIONS = 4  # refinements of a point's position in a frame
_FINE, _COARSE = 128, 256  # channels of the maps at strides 4 and 8
_FEATURE = _FINE + _COARSE
_RADIUS = 3  # of the correlated neighbourhood, in a map's cells
_LEVELS = 3  # fine, coarse, and coarse at half the size
_WIDTH, _DEPTH = 512, 12  # of the mixer
_EXPANSION = 4  # of the mixer's hidden layers
_MEMORY = 2  # frames that a causal convolution of three frames remembers
_TEMPERATURE = 20.0  # of the softmax over the places of a point
_SOFT_RADIUS = 5  # Cells around the likeliest place that the mean is taken over.


class Tapir(nn.Module):
    """Points followed one frame at a time. What is remembered of a point is its feature and its state.

    feature  (N, 384) what the point looks like, from the frame that it was queried in
    inputs, hidden  (N, 4, 12, 2, 512) and (N, 4, 12, 2, 2048), its state: what the causal convolutions of the 12
             blocks saw in the last two frames, in each of the 4 iterations
    """

    def __init__(self, size: int = 256) -> None:
        """size: side of the images in pixels, a multiple of 16; the weights are of 256"""
        super().__init__()
        self.size = size
        self.feature_size = _FEATURE
        self.resnet_torch = _ResNet()
        self.extra_convs = _blocks(*(_ExtraBlock() for _ in range(5)))
        self.torch_cost_volume_track_mods = nn.ModuleDict(
            {
                "hid1": nn.Conv2d(1, 16, 3, padding=1),
                "hid2": nn.Conv2d(16, 1, 3, padding=1),
                "hid3": nn.Conv2d(16, 32, 3, stride=2),
                "hid4": nn.Linear(32, 16),
                "occ_out": nn.Linear(16, 2),
            }
        )
        self.torch_pips_mixer = _Mixer()

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of an image (size, size, 3) uint8 RGB, each cell a unit vector but for the last map's.

        They are (128, size / 4, size / 4), (256, size / 8, size / 8), and the second one at half the size.
        """
        fine, coarse = self.resnet_torch(image.permute(2, 0, 1)[None].float() / 255 * 2 - 1)
        fine, coarse = _unit(fine), _unit(self.extra_convs(coarse))
        return fine[0], coarse[0], functional.avg_pool2d(coarse, 2)[0]

    def feature(self, fine: Tensor, coarse: Tensor, xy: Tensor) -> Tensor:
        """(N, 384): what two maps of `encode` hold at xy (N, 2), clamped at the edges."""
        sampled = [_sampled(level, xy[:, None] / self.size, "border")[:, 0] for level in (fine, coarse)]
        return torch.cat(sampled, 1)

    def fresh_state(self, points: int) -> tuple[Tensor, Tensor]:
        """`inputs` and `hidden` of points that no frame was seen of."""
        like = self.torch_pips_mixer.linear.weight
        shape = (points, ITERATIONS, _DEPTH, _MEMORY)
        return like.new_zeros(*shape, _WIDTH), like.new_zeros(*shape, _EXPANSION * _WIDTH)

    def follow(
        self, feature: Tensor, inputs: Tensor, hidden: Tensor, fine: Tensor, coarse: Tensor, coarsest: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Points in one more frame, of which `encode` made the maps; each point independently of all others.

        Returns xy (N, 2), the logits (N,) of being occluded and of being far from xy, and the new state.
        """
        xy, occlusion, distance = self._found(feature[:, _FINE:], coarse)
        queries, new_inputs, new_hidden = feature, [], []
        for iteration in range(ITERATIONS):
            seen = self._correlation(queries, (fine, coarse, coarsest), xy)
            # The mixer was trained with two zeros where the offline model's displacement might be.
            token = torch.cat([torch.zeros_like(xy), occlusion[:, None], distance[:, None], queries, seen], 1)
            step, *state = self.torch_pips_mixer(token, inputs[:, iteration], hidden[:, iteration])
            new_inputs.append(state[0])
            new_hidden.append(state[1])
            xy, occlusion, distance = xy + step[:, :2], occlusion + step[:, 2], distance + step[:, 3]
            queries = queries + step[:, 4:]
        return xy, occlusion, distance, torch.stack(new_inputs, 1), torch.stack(new_hidden, 1)

    def _found(self, feature: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where features (N, 256) are in the whole image, without knowledge of frames before, as `follow` returns it.

        The place is the mean of the likely ones around the likeliest.
        """
        mods = self.torch_cost_volume_track_mods
        cost = torch.einsum("nc,chw->nhw", feature, coarse)[:, None]
        hidden = functional.relu(mods["hid1"](cost))
        likely = functional.softmax(_TEMPERATURE * mods["hid2"](hidden).flatten(1), 1)
        cells = _grid(coarse.shape[1], coarse.shape[2], coarse) + 0.5
        near = (cells - cells[likely.argmax(1)][:, None]).square().sum(-1) < _SOFT_RADIUS**2
        likely = likely * near
        xy = likely @ cells / likely.sum(1, keepdim=True).clamp_min(1e-12)
        hidden = functional.relu(mods["hid3"](functional.pad(hidden, (0, 2, 0, 2)))).mean((2, 3))
        occlusion, distance = mods["occ_out"](functional.relu(mods["hid4"](hidden))).unbind(1)
        return xy * (self.size / coarse.shape[-1]), occlusion, distance

    def _correlation(self, queries: Tensor, maps: tuple[Tensor, ...], xy: Tensor) -> Tensor:
        """(N, 3 * 49): features `queries` (N, 384) dotted with the 7 x 7 cells around xy (N, 2) of each map."""
        own = queries[:, :_FINE], queries[:, _FINE:], queries[:, _FINE:]
        around = _grid(2 * _RADIUS + 1, 2 * _RADIUS + 1, xy) - _RADIUS
        dots = []
        for query, level in zip(own, maps):
            places = xy[:, None] / self.size + around / level.shape[-1]
            dots.append(torch.einsum("nsc,nc->ns", _sampled(level, places, "zeros"), query))
        return torch.cat(dots, 1)


def _unit(maps: Tensor) -> Tensor:
    """Maps (B, C, h, w) with cells of length 1."""
    return maps / maps.square().sum(1, keepdim=True).clamp_min(1e-12).sqrt()


def _grid(height: int, width: int, like: Tensor) -> Tensor:
    """(height * width, 2): x and y of all cells, row by row."""
    y, x = (torch.arange(length, device=like.device, dtype=like.dtype) for length in (height, width))
    return torch.stack([x.repeat(height), y.repeat_interleave(width)], 1)


def _sampled(level: Tensor, places: Tensor, padding: str) -> Tensor:
    """(N, S, C) of a map (C, h, w) at places (N, S, 2), (x, y) as shares of its width and height, bilinear."""
    found = functional.grid_sample(level[None], 2 * places[None] - 1, padding_mode=padding, align_corners=False)
    return found[0].permute(1, 2, 0)


def _blocks(*blocks: nn.Module) -> nn.Sequential:
    """Blocks one after the other, whose tensors are named as the published checkpoint's."""
    return nn.Sequential(OrderedDict(blocks=nn.Sequential(*blocks)))


class _ResNet(nn.Module):
    """Residual blocks that normalize first; of the four groups the second gives the fine map, the last the coarse."""

    def __init__(self) -> None:
        super().__init__()
        self.initial_conv = nn.Conv2d(3, 64, 7, stride=2, bias=False)
        widths, strides = (64, 64, _FINE, 256, _COARSE), (1, 2, 2, 1)
        self.block_groups = nn.ModuleList(
            _blocks(_Block(before, after, stride), _Block(after, after))
            for before, after, stride in zip(widths, widths[1:], strides)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, 128, h / 4, w / 4) and (B, 256, h / 8, w / 8) of images (B, 3, h, w) in -1..1."""
        x, outputs = self.initial_conv(functional.pad(images, (2, 4, 2, 4))), []
        for group in self.block_groups:
            x = group(x)
            outputs.append(x)
        return outputs[1], outputs[3]


class _Block(nn.Module):
    """Two convolutions beside a shortcut, which the first block of a group projects to its own channels and stride."""

    def __init__(self, before: int, after: int, stride: int = 0) -> None:
        """stride: of a group's first block; 0 for the others"""
        super().__init__()
        self.bn_0 = nn.InstanceNorm2d(before, affine=True)
        self.conv_0 = nn.Conv2d(before, after, 3, stride=stride or 1, bias=False)
        self.bn_1 = nn.InstanceNorm2d(after, affine=True)
        self.conv_1 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.proj_conv = nn.Conv2d(before, after, 1, stride=stride, bias=False) if stride else None
        # A strided convolution looks to the right and below only, as the weights were trained.
        self._padding = (0, 2, 0, 2) if stride == 2 else (1, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        normed = functional.relu(self.bn_0(x))
        shortcut = x if self.proj_conv is None else self.proj_conv(normed)
        x = self.conv_0(functional.pad(normed, self._padding))
        return shortcut + self.conv_1(functional.relu(self.bn_1(x)))


class _ExtraBlock(nn.Module):
    """Two convolutions that see farther; they are added to what came in after it was normalized."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(_COARSE)
        self.conv = nn.Conv2d(_COARSE, _EXPANSION * _COARSE, 3, padding=1)
        self.conv_1 = nn.Conv2d(_EXPANSION * _COARSE, _COARSE, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x.movedim(1, -1)).movedim(-1, 1)
        return x + self.conv_1(functional.gelu(self.conv(x), approximate="tanh"))


class _Mixer(nn.Module):
    """Blocks that mix frames channel by channel, then channels; of the past they know what their state holds."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4 + _FEATURE + _LEVELS * (2 * _RADIUS + 1) ** 2, _WIDTH)
        self.blocks = nn.ModuleList(_MixerBlock() for _ in range(_DEPTH))
        self.layer_norm = nn.LayerNorm(_WIDTH, bias=False)
        self.linear_1 = nn.Linear(_WIDTH, 4 + _FEATURE)

    def forward(self, token: Tensor, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A step (N, 388) of a token (N, 535), and the state (N, 12, 2, 512) and (N, 12, 2, 2048) after it."""
        x, states = self.linear(token), []
        for index, block in enumerate(self.blocks):
            x, *state = block(x, inputs[:, index], hidden[:, index])
            states.append(state)
        return self.linear_1(self.layer_norm(x)), *(torch.stack(parts, 1) for parts in zip(*states))


class _MixerBlock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        wide = _EXPANSION * _WIDTH
        self.layer_norm = nn.LayerNorm(_WIDTH, bias=False)
        self.mlp1_up = nn.Conv1d(_WIDTH, wide, _MEMORY + 1, groups=_WIDTH)
        self.mlp1_up_1 = nn.Conv1d(wide, wide, _MEMORY + 1, groups=wide)
        self.layer_norm_1 = nn.LayerNorm(_WIDTH, bias=False)
        layers = {"mlp2_up": nn.Linear(_WIDTH, wide), "gelu": nn.GELU("tanh"), "mlp2_down": nn.Linear(wide, _WIDTH)}
        self.conv_channels_mixer = nn.Sequential(OrderedDict(layers))

    def forward(self, x: Tensor, inputs: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x (N, 512) of the newest frame; inputs (N, 2, 512) and hidden (N, 2, 2048) of the two before."""
        inputs = torch.cat([inputs, self.layer_norm(x)[:, None]], 1)
        wide = _newest(self.mlp1_up, inputs.repeat_interleave(_EXPANSION, 2))
        hidden = torch.cat([hidden, functional.gelu(wide, approximate="tanh")[:, None]], 1)
        x = x + _newest(self.mlp1_up_1, hidden).unflatten(-1, (-1, _EXPANSION)).sum(-1)
        return x + self.conv_channels_mixer(self.layer_norm_1(x)), inputs[:, 1:], hidden[:, 1:]


def _newest(convolution: nn.Conv1d, frames: Tensor) -> Tensor:
    """What a convolution over three frames, each channel on its own, makes of three frames (N, 3, C): (N, C)."""
    weight, bias = convolution.parameters()
    return (frames * weight[:, 0].T).sum(1) + bias
