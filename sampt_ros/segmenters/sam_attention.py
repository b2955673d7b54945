"""The attention of SAM's image encoder without its matrix of relative positions.

The published module adds to every query's product with every key a number for their distance in height and one for
that in width: for a whole image, matrices of half a gigabyte. Here these numbers are part of the product itself. Every
query gets them as further channels, one for each row and each column of the image, and every key says with a one where
it is: the same sums, by an attention that keeps no matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_ALIGNED = 8  # channels that efficient attention wants multiples of


class FusedAttention(nn.Module):
    """A `segment_anything` image encoder's Attention with relative positions; parts and weights are its own."""

    def __init__(self, published: Any) -> None:
        super().__init__()
        self.num_heads, self.scale = published.num_heads, published.scale
        self.qkv, self.proj = published.qkv, published.proj
        self.rel_pos_h, self.rel_pos_w = published.rel_pos_h, published.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) of (B, H, W, C)."""
        batch, height, width, _ = x.shape
        qkv = self.qkv(x).reshape(batch, height * width, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, H * W, c) each
        grid = query.unflatten(2, (height, width))
        rows = torch.einsum("bnhwc,hkc->bnhwk", grid, _distances(self.rel_pos_h, height))
        columns = torch.einsum("bnhwc,wkc->bnhwk", grid, _distances(self.rel_pos_w, width))
        channels = value.shape[-1]
        spare = -(channels + height + width) % _ALIGNED
        query = torch.cat([query * self.scale, rows.flatten(2, 3), columns.flatten(2, 3)], -1)
        key = torch.cat([key, _places(height, width, key).expand(*key.shape[:2], -1, -1)], -1)
        query, key = (functional.pad(each, (0, spare)) for each in (query, key))
        value = functional.pad(value, (0, query.shape[-1] - channels))  # efficient attention wants them of one size
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=1.0)[..., :channels]
        return self.proj(mixed.transpose(1, 2).reshape(batch, height, width, -1))


def fuse_attention(encoder: nn.Module) -> None:
    """Put FusedAttention in place of the attention of an image encoder's blocks, where it has relative positions."""
    for block in getattr(encoder, "blocks", ()):
        if getattr(block.attn, "use_rel_pos", False):
            block.attn = FusedAttention(block.attn)


def _distances(table: Tensor, length: int) -> Tensor:
    """(length, length, c): row q, column k of what a table (2 * length - 1, c) says of the distance from k to q."""
    place = torch.arange(length, device=table.device)
    return table[place[:, None] - place + length - 1]


def _places(height: int, width: int, like: Tensor) -> Tensor:
    """(H * W, H + W): ones where the row of a place is, and its column."""
    row = torch.eye(height, dtype=like.dtype, device=like.device)[:, None].expand(-1, width, -1)
    column = torch.eye(width, dtype=like.dtype, device=like.device).expand(height, -1, -1)
    return torch.cat([row, column], -1).flatten(0, 1)
