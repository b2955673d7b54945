"""The network of the nano segmenter: an image encoder, an object memory, and a prompt decoder.

Its interface is SAM's (Kirillov et al., "Segment Anything", ICCV 2023): points, box and mask in, mask logits and
predicted IoU out. It sees a square window around one object. The memory is read as in space-time correspondence
networks (Cheng et al., "Rethinking Space-Time Networks", NeurIPS 2021). The encoder is EfficientNet-Lite0 (Tan and Le,
ICML 2019), batch normalisation folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sampt_ros.segmenters.nano.interface import MASK, PROMPT_CHANNELS, TOP, Features, Memory

_MEAN, _DEVIATION = 127.0, 128.0  # The normalisation that EfficientNet-Lite was trained with.
# The blocks of EfficientNet-Lite0: kernel, stride, expansion, channels in, channels out.
_BLOCKS = (
    (3, 1, 1, 32, 16),
    *((3, 2, 6, 16, 24), (3, 1, 6, 24, 24)),
    *((5, 2, 6, 24, 40), (5, 1, 6, 40, 40)),
    *((3, 2, 6, 40, 80), (3, 1, 6, 80, 80), (3, 1, 6, 80, 80)),
    *((5, 1, 6, 80, 112), (5, 1, 6, 112, 112), (5, 1, 6, 112, 112)),
    *((5, 2, 6, 112, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192), (5, 1, 6, 192, 192)),
)
_LAST_BLOCKS = (0, 2, 4, 10, 14)  # The last block of each stride: its output is that stride's feature map.
DEEP = 5  # The first block after stride 8.
CHANNELS = (16, 24, 40, 112, 192)  # Of the feature maps, from stride 2 to 32.
_KEY, _VALUE = 64, 96  # Channels of memory keys and values.
BlockComputation = Callable[[Any, Tensor], Tensor]  # of a block of convolutions and its input
_MASKED = -1e4  # Similarity of a memory position that is not to be read.


class NanoNetwork(nn.Module):
    """Masks of B objects from windows: `encode` the windows, `decode` them with prompts, `memorize` good masks."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.memory = MemoryReader()
        self.decoder = Decoder()

    def encode(self, windows: Tensor) -> Features:
        """Features of windows (B, 3, S, S) RGB 0..255, S a multiple of 32."""
        return Features(self.encoder(normalised(windows)))

    def memorize(self, features: Features, masks: Tensor) -> Memory:
        """The memory of B windows with known masks (B, 1, S, S) 0..1."""
        return self.memory.write(features, masks)

    def decode(
        self,
        features: Features,
        prompts: Tensor,
        memory: Memory | None = None,
        compute: BlockComputation = nn.Module.__call__,
    ) -> tuple[Tensor, Tensor]:
        """Logits (B, S / 2, S / 2) of the masks, and logits (B,) of their IoU.

        prompts  (B, 6, S / 4, S / 4), see interface.PROMPT_CHANNELS; the mask channel is -1..1, all others 0..1
        memory   of all B objects, or None
        compute  what each of the decoder's 3x3 blocks makes of its input
        """
        read = self.memory.read(features, memory)
        logits, iou_logits = self.decoder(features, prompts, read, compute)
        return logits, iou_logits


def normalised(windows: Tensor) -> Tensor:
    """Windows (B, 3, S, S) RGB 0..255 as the encoder takes them: float32 about -1..1, channels last."""
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
        return self._feature_maps(self.stem(x), range(DEEP))

    def deep(self, x: Tensor, compute: BlockComputation = nn.Module.__call__) -> tuple[Tensor, ...]:
        """The maps of strides 16 and 32, from the map of stride 8; compute: what each block makes of its input."""
        return self._feature_maps(x, range(DEEP, len(self.blocks)), compute)

    def _feature_maps(
        self, x: Tensor, blocks: range, compute: BlockComputation = nn.Module.__call__
    ) -> tuple[Tensor, ...]:
        maps = []
        for index in blocks:
            x = compute(self.blocks[index], x)
            if index in _LAST_BLOCKS:
                maps.append(x)
        return tuple(maps)


class InvertedResidual(nn.Module):
    """Expands the channels, filters each one, projects them (Sandler et al., "MobileNetV2", CVPR 2018)."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        expand = [nn.Conv2d(inputs, inner, 1), nn.ReLU6(inplace=True)] if expansion > 1 else []
        filtering = nn.Conv2d(inner, inner, kernel, stride, kernel // 2, groups=inner)
        self.layers = nn.Sequential(*expand, filtering, nn.ReLU6(inplace=True), nn.Conv2d(inner, outputs, 1))
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return x + y if self.skip else y


class MemoryReader(nn.Module):
    """Remembers windows at stride 16, and reads for each position of a new window what was at similar positions."""

    channels = _VALUE + 2

    def __init__(self) -> None:
        super().__init__()
        self.key = nn.Conv2d(CHANNELS[3], _KEY, 1)
        self.value = nn.Sequential(
            nn.Conv2d(CHANNELS[3] + 16, _VALUE, 1), nn.ReLU(), nn.Conv2d(_VALUE, _VALUE, 3, padding=1)
        )
        self.sharpness = nn.Parameter(torch.tensor(10.0))

    def write(self, features: Features, masks: Tensor) -> Memory:
        feature: Tensor = features.maps[3]
        shape = functional.pixel_unshuffle(functional.avg_pool2d(masks, 4), 4)  # 4x4 cells of each position.
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
        """(B, 98, h, w): the values at similar positions, and the highest similarity to object and to background."""
        feature: Tensor = features.maps[3]
        batch, _, height, width = feature.shape
        if memory is None:
            return feature.new_zeros(batch, self.channels, height, width)
        queries = functional.normalize(self.key(feature), dim=1).flatten(2).transpose(1, 2)
        similarity = queries @ memory.keys.transpose(1, 2)  # (B, positions, n)
        valid, inside = memory.valid[:, None], memory.inside[:, None]
        similarity = similarity.masked_fill(~valid, _MASKED)
        top, where = similarity.topk(min(TOP, similarity.shape[2]), dim=2, sorted=False)
        weights = torch.softmax(self.sharpness * top, dim=2)
        values = torch.zeros_like(similarity).scatter_(2, where, weights.to(similarity)) @ memory.values
        to_object = (similarity + _MASKED * (inside <= 0.5)).amax(2, keepdim=True).clamp(min=-1)
        to_background = (similarity + _MASKED * (inside >= 0.5)).amax(2, keepdim=True).clamp(min=-1)
        is_known = memory.valid.any(1).view(-1, 1, 1).to(values)  # An object without any memory reads zeros.
        read: Tensor = torch.cat([values, to_object, to_background], 2) * is_known
        return read.transpose(1, 2).reshape(batch, self.channels, height, width)


class Decoder(nn.Module):
    """Fuses features, prompts and memory from coarse to fine; the prompts come in at every stride."""

    def __init__(self, remembered: int = MemoryReader.channels) -> None:
        """remembered: channels of what the memory says of each position; 0: there is no memory"""
        super().__init__()
        s2, s4, s8, s16, s32 = CHANNELS
        self.prompt4 = nn.Sequential(nn.Conv2d(PROMPT_CHANNELS, 24, 3, padding=1), nn.ReLU())
        self.prompt8 = nn.Sequential(nn.Conv2d(24, 32, 3, 2, 1), nn.ReLU())
        self.prompt16 = nn.Sequential(nn.Conv2d(32, 64, 3, 2, 1), nn.ReLU())
        self.prompt32 = nn.Sequential(nn.Conv2d(64, 64, 3, 2, 1), nn.ReLU())
        self.fuse32 = Fuse(s32 + 64, 128, blocks=1)
        self.context = nn.Linear(128, 128)
        self.fuse16 = Fuse(128 + s16 + 64 + remembered, 96, blocks=2)
        self.fuse8 = Fuse(96 + s8 + 32, 64, blocks=1)
        self.fuse4 = Fuse(64 + s4 + 24, 32, blocks=1)
        self.fuse2 = nn.Sequential(nn.Conv2d(32 + s2, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())
        self.mask = nn.Conv2d(16, 1, 1)
        self.carried = nn.Parameter(torch.tensor(2.0))  # Weight of the mask prompt as it is.
        self.iou = nn.Sequential(nn.Linear(96 * 2 + 2, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(
        self, features: Features, prompts: Tensor, read: Tensor | None, compute: BlockComputation = nn.Module.__call__
    ) -> tuple[Tensor, Tensor]:
        f2, f4, f8, f16, f32 = features.maps
        p4 = self.prompt4(prompts.contiguous(memory_format=torch.channels_last))
        p8 = compute(self.prompt8, p4)
        p16 = compute(self.prompt16, p8)
        x = self.fuse32(compute, None, f32, compute(self.prompt32, p16))
        x = x + self.context(x.mean((2, 3)))[:, :, None, None]
        x16 = x = self.fuse16(compute, x, f16, p16, *([] if read is None else [read]))
        x = self.fuse8(compute, x, f8, p8)
        x = self.fuse4(compute, x, f4, p4)
        x = self.fuse2[1:](_joined(self.fuse2[0], x, f2))
        logits = self.mask(x) + self.carried * _doubled(prompts[:, MASK : MASK + 1])
        return logits[:, 0], self._rate(logits.detach(), x16)

    def _rate(self, logits: Tensor, x: Tensor) -> Tensor:
        """(B,) logits of the predicted IoU, from the masks' logits and the features (B, 96, h, w) they came from."""
        probability = torch.sigmoid(logits)
        share = functional.avg_pool2d(probability, 8)  # From stride 2 to 16.
        area = share.sum((2, 3))
        within = (x * share).sum((2, 3)) / (area + 1)
        sure = (probability * (2 * probability - 1).abs()).sum((2, 3)) / (probability.sum((2, 3)) + 1)
        filled = area / (x.shape[2] * x.shape[3])
        iou_logits: Tensor = self.iou(torch.cat([within, x.mean((2, 3)), sure, filled], 1))
        return iou_logits[:, 0]


class Fuse(nn.Module):
    """Reduces many channels to few, then applies residual blocks of 3x3 convolutions."""

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
            nn.init.zeros_(block[-1].weight)  # type: ignore[index]  # The block begins as the identity.

    def forward(self, compute: BlockComputation, coarse: Tensor | None, *fine: Tensor) -> Tensor:
        x: Tensor = self.join[1:](_joined(self.join[0], coarse, *fine))
        for block in self.blocks:
            x = functional.relu(x + compute(block, x))
        return x


def _joined(convolution: Any, coarse: Tensor | None, *fine: Tensor) -> Tensor:
    """A 1x1 convolution of the channels of `coarse`, doubled in size, and of `fine`.

    The doubling comes after the convolution, where there are fewer channels to double; the result is the same.
    """
    together = torch.cat(fine, 1)
    if coarse is None:
        of_fine: Tensor = convolution(together)
        return of_fine
    weight, channels = convolution.weight, coarse.shape[1]
    doubled = _doubled(functional.conv2d(coarse, weight[:, :channels]))
    return functional.conv2d(together, weight[:, channels:], convolution.bias) + doubled


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
