"""The network of the nano segmenter: an image encoder, an object memory, and a prompt decoder.

Its interface is SAM's (Kirillov et al., "Segment Anything", ICCV 2023): points, box and mask in, mask logits and
predicted IoU out. It sees a square window around one object. The memory is read as in space-time correspondence
networks (Cheng et al., "Rethinking Space-Time Networks", NeurIPS 2021). The encoder is EfficientNet-Lite0 (Tan and Le,
ICML 2019), batch normalisation folded into the convolutions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZES = (2, 4, 8, 16, 32)  # strides of the encoder's feature maps
PROMPT_STRIDE = 4
# Channels of a prompt: points on and off the object, the box, the mask, whether there is one, the other objects' masks.
POSITIVE, NEGATIVE, BOX, MASK, HAS_MASK, RIVALS = range(6)
PROMPT_CHANNELS = 6

_MEAN, _DEVIATION = 127.0, 128.0  # what EfficientNet-Lite was trained with
# EfficientNet-Lite0: (kernel, stride, expansion, channels in, channels out) of each block
_BLOCKS = (
    (3, 1, 1, 32, 16),
    *((3, 2, 6, 16, 24), (3, 1, 6, 24, 24)),
    *((5, 2, 6, 24, 40), (5, 1, 6, 40, 40)),
    *((3, 2, 6, 40, 80), (3, 1, 6, 80, 80), (3, 1, 6, 80, 80)),
    *((5, 1, 6, 80, 112), (5, 1, 6, 112, 112), (5, 1, 6, 112, 112)),
    *((5, 2, 6, 112, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192)),
)
_TAPS = (0, 2, 4, 10, 14)  # the last block of each stride
DEEP = 5  # the first block after stride 8
_CHANNELS = (16, 24, 40, 112, 192)
_KEY, _VALUE = 64, 96
_TOP = 32  # memory positions that one position reads
_FAR = -1e4


@dataclass(frozen=True, eq=False)
class Features:
    """What the encoder makes of B windows (S, S): maps (B, C, S / stride, S / stride), strides 2, 4, 8, 16, 32."""

    maps: tuple[Tensor, ...]

    def select(self, rows: Tensor | slice) -> Features:
        """Those of some windows."""
        return Features(tuple(one[rows] for one in self.maps))


@dataclass(frozen=True, eq=False)
class Memory:
    """What is remembered of B objects at n positions of earlier windows.

    keys   (B, n, 64): what a position looks like; values (B, n, 96): what is there
    inside (B, n) 0..1: the object's share of the position
    valid  (B, n) bool: False where an object remembers less than the others
    """

    keys: Tensor
    values: Tensor
    inside: Tensor
    valid: Tensor

    def select(self, rows: Tensor) -> Memory:
        """That of some objects."""
        return Memory(self.keys[rows], self.values[rows], self.inside[rows], self.valid[rows])


class NanoNetwork(nn.Module):
    """Windows of B objects to masks: `encode` the windows, `decode` them with prompts, `memorize` what was accepted."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.memory = MemoryReader()
        self.decoder = Decoder()

    def encode(self, windows: Tensor) -> Features:
        """Features of windows (B, 3, S, S) RGB 0..255; S a multiple of 32."""
        return Features(self.encoder(normalised(windows)))

    def memorize(self, features: Features, masks: Tensor) -> Memory:
        """Memory of B windows whose masks (B, 1, S, S) 0..1 are known."""
        return self.memory.write(features, masks)

    def decode(self, features: Features, prompts: Tensor, memory: Memory | None = None) -> tuple[Tensor, Tensor]:
        """Logits (B, S / 2, S / 2) of the masks, and logits (B,) of their IoU.

        prompts  (B, 6, S / 4, S / 4), see PROMPT_CHANNELS; the mask channel is -1..1, all others 0..1
        memory   of all B objects, or None
        """
        read = self.memory.read(features, memory)
        return self.decoder(features, prompts, read)


def normalised(windows: Tensor) -> Tensor:
    """Windows (B, 3, S, S) RGB 0..255 as the encoder takes them."""
    return ((windows.float() - _MEAN) / _DEVIATION).contiguous(memory_format=torch.channels_last)


class Encoder(nn.Module):
    """EfficientNet-Lite0 up to stride 32, without its last block and head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1), nn.ReLU6(inplace=True))
        self.blocks = nn.ModuleList(InvertedResidual(*block) for block in _BLOCKS)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        shallow = self.shallow(x)
        return *shallow, *self.deep(shallow[-1])

    def shallow(self, x: Tensor) -> tuple[Tensor, ...]:
        """The maps of strides 2, 4 and 8: edges, textures, colours."""
        return self._taps(self.stem(x), range(DEEP))

    def deep(self, x: Tensor) -> tuple[Tensor, ...]:
        """The maps of strides 16 and 32, from that of stride 8."""
        return self._taps(x, range(DEEP, len(self.blocks)))

    def _taps(self, x: Tensor, blocks: range) -> tuple[Tensor, ...]:
        maps = []
        for index in blocks:
            x = self.blocks[index](x)
            if index in _TAPS:
                maps.append(x)
        return tuple(maps)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project (Sandler et al., "MobileNetV2", CVPR 2018)."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        expand = [nn.Conv2d(inputs, inner, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        filtering = nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner)
        self.layers = nn.Sequential(*expand, filtering, nn.ReLU6(inplace=True), nn.Conv2d(inner, outputs, 1))
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.skip else self.layers(x)


class MemoryReader(nn.Module):
    """Remembers windows at stride 16, and finds for each position of a new one what was there in similar places."""

    channels = _VALUE + 2

    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Conv2d(_CHANNELS[3], _KEY, 1)
        self.value = nn.Sequential(
            nn.Conv2d(_CHANNELS[3] + 16, _VALUE, 1), nn.ReLU(), nn.Conv2d(_VALUE, _VALUE, 3, padding=1)
        )
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def write(self, features: Features, masks: Tensor) -> Memory:
        feature = features.maps[3]
        shape = functional.pixel_unshuffle(functional.avg_pool2d(masks, 4), 4)  # 4x4 cells of each position
        values = self.value(torch.cat([feature, shape], 1))
        keys = functional.normalize(self.key(feature), dim=1)
        inside = shape.mean(1).flatten(1)
        return Memory(
            keys.flatten(2).transpose(1, 2),
            values.flatten(2).transpose(1, 2),
            inside,
            torch.ones_like(inside, dtype=torch.bool),
        )

    def read(self, features: Features, memory: Memory | None) -> Tensor:
        """(B, 98, h, w): the values at similar positions, and the best likeness to object and to background."""
        feature = features.maps[3]
        batch, _, height, width = feature.shape
        if memory is None:
            return feature.new_zeros(batch, self.channels, height, width)
        queries = functional.normalize(self.key(feature), dim=1).flatten(2).transpose(1, 2)
        likeness = queries @ memory.keys.transpose(1, 2)  # (B, positions, n)
        valid, inside = memory.valid[:, None], memory.inside[:, None]
        likeness = likeness.masked_fill(~valid, _FAR)
        top, where = likeness.topk(min(_TOP, likeness.shape[2]), dim=2, sorted=False)
        weights = torch.softmax(self.sharpness * top, dim=2)
        values = torch.zeros_like(likeness).scatter_(2, where, weights.to(likeness)) @ memory.values
        known = memory.valid.any(1).view(-1, 1, 1).to(values)  # an object without any memory reads zeros
        on = (likeness + _FAR * (inside <= 0.5)).amax(2, keepdim=True).clamp(min=-1)
        off = (likeness + _FAR * (inside >= 0.5)).amax(2, keepdim=True).clamp(min=-1)
        read = torch.cat([values, on, off], 2) * known
        return read.transpose(1, 2).reshape(batch, self.channels, height, width)


class Decoder(nn.Module):
    """From coarse to fine, prompts at every level."""

    def __init__(self) -> None:
        super().__init__()
        s2, s4, s8, s16, s32 = _CHANNELS
        self.prompt4 = nn.Sequential(nn.Conv2d(PROMPT_CHANNELS, 24, 3, padding=1), nn.ReLU())
        self.prompt8 = nn.Sequential(nn.Conv2d(24, 32, 3, 2, 1), nn.ReLU())
        self.prompt16 = nn.Sequential(nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU())
        self.prompt32 = nn.Sequential(nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU())
        self.fuse32 = Fuse(s32 + 64, 128, blocks=1)
        self.context = nn.Linear(128, 128)
        self.fuse16 = Fuse(128 + s16 + 64 + MemoryReader.channels, 96, blocks=2)
        self.fuse8 = Fuse(96 + s8 + 32, 64, blocks=1)
        self.fuse4 = Fuse(64 + s4 + 24, 32, blocks=1)
        self.fuse2 = nn.Sequential(nn.Conv2d(32 + s2, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        self.mask = nn.Conv2d(16, 1, 1)
        self.carried = nn.Parameter(torch.tensor(2.0))  # how far the mask prompt is believed as it is
        self.iou = nn.Sequential(nn.Linear(96 * 2 + 2, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, features: Features, prompts: Tensor, read: Tensor) -> tuple[Tensor, Tensor]:
        f2, f4, f8, f16, f32 = features.maps
        p4 = self.prompt4(prompts.contiguous(memory_format=torch.channels_last))
        p8 = self.prompt8(p4)
        p16 = self.prompt16(p8)
        x = self.fuse32(None, f32, self.prompt32(p16))
        x = x + self.context(x.mean((2, 3)))[:, :, None, None]
        x16 = x = self.fuse16(x, f16, p16, read)
        x = self.fuse8(x, f8, p8)
        x = self.fuse4(x, f4, p4)
        x = self.fuse2[1:](_joined(self.fuse2[0], x, f2))
        logits = self.mask(x) + self.carried * _doubled(prompts[:, MASK : MASK + 1])
        return logits[:, 0], self._rate(logits.detach(), x16)

    def _rate(self, logits: Tensor, x: Tensor) -> Tensor:
        """(B,) logits of the IoU of masks, from their own logits and the features (B, 96, h, w) they came from."""
        probability = torch.sigmoid(logits)
        share = functional.interpolate(probability, x.shape[2:], mode="area")
        area = share.sum((2, 3))
        within = (x * share).sum((2, 3)) / (area + 1)
        sure = (probability * (2 * probability - 1).abs()).sum((2, 3)) / (probability.sum((2, 3)) + 1)
        filled = area / (x.shape[2] * x.shape[3])
        return self.iou(torch.cat([within, x.mean((2, 3)), sure, filled], 1))[:, 0]


class Fuse(nn.Module):
    """Many channels to few, then residual blocks of 3x3 convolutions."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.join = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.GroupNorm(8, outputs), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.Conv2d(outputs, outputs, 3, padding=1)
            )
            for _ in range(blocks)
        )
        for block in self.blocks:
            nn.init.zeros_(block[-1].weight)  # type: ignore[index]  # starts as no block at all

    def forward(self, coarse: Tensor | None, *fine: Tensor) -> Tensor:
        x = self.join[1:](_joined(self.join[0], coarse, *fine))
        for block in self.blocks:
            x = functional.relu(x + block(x))
        return x


def _joined(convolution: Any, coarse: Tensor | None, *fine: Tensor) -> Tensor:
    """A 1x1 convolution of `coarse`, doubled in size, and `fine`, one above the other.

    The doubling comes after the convolution: it is the same, and has fewer channels to double.
    """
    together = torch.cat(fine, 1)
    if coarse is None:
        return convolution(together)
    of_coarse, of_fine = convolution.weight.split([coarse.shape[1], together.shape[1]], 1)
    doubled = _doubled(functional.conv2d(coarse, of_coarse))
    return functional.conv2d(together, of_fine, convolution.bias) + doubled


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
