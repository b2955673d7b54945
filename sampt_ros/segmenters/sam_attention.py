"""The attention of SAM's image encoder, without its matrices of queries and keys.

The published module adds to every query's product with every key a number for their distance in height and one for that
in width: for a whole image, in matrices of half a gigabyte. Here these numbers are part of the product itself. Every
query gets them as further channels, one for each row and each column of the image, and every key says with a one where
it is: the same sums, by an attention that keeps no matrix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

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
        qkv = self.qkv(x).view(batch, height * width, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, H * W, c) each
        rows, columns = self._distances(query, height, width)
        channels = value.shape[-1]
        nothing = query.new_zeros(1).expand(*query.shape[:-1], -(channels + height + width) % _ALIGNED)
        places = _places(height, width, key).expand(*key.shape[:-1], -1)
        query = torch.cat([query * self.scale, rows.flatten(2, 3), columns.flatten(2, 3), nothing], -1)
        key = torch.cat([key, places, nothing], -1)
        value = pad(value, (0, query.shape[-1] - channels))  # efficient attention wants them of one size
        mixed = scaled_dot_product_attention(query, key, value, scale=1.0)[..., :channels]
        return self.proj(mixed.transpose(1, 2).reshape(batch, height, width, -1))

    def _distances(self, query: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """(B, heads, H, W, H) and (B, heads, H, W, W): what queries add for keys in every row and in every column."""
        table = torch.cat([self.rel_pos_h.flip(0), self.rel_pos_w.flip(0)])  # first what is farthest above, or left
        every = (query @ table.T).contiguous()
        batch, heads, places, distances = every.shape
        # Row 0 is the farthest above that a query in row h can see, H - 1 - h behind the first number: for each further
        # row of queries the numbers begin one earlier.
        shape, steps = (batch, heads, height, width), (heads * places * distances, places * distances)
        rows = every.as_strided((*shape, height), (*steps, width * distances - 1, distances, 1), height - 1)
        first_column = 2 * height - 1 + width - 1
        columns = every.as_strided((*shape, width), (*steps, width * distances, distances - 1, 1), first_column)
        return rows, columns


def fuse_attention(encoder: nn.Module) -> None:
    """Put FusedAttention in place of the attention of an image encoder's blocks, where it has relative positions."""
    for block in getattr(encoder, "blocks", ()):
        if getattr(block.attn, "use_rel_pos", False):
            block.attn = FusedAttention(block.attn)


def _places(height: int, width: int, like: Tensor) -> Tensor:
    """(H * W, H + W): ones where the row of a place is, and its column."""
    row = torch.eye(height, dtype=like.dtype, device=like.device)[:, None].expand(-1, width, -1)
    column = torch.eye(width, dtype=like.dtype, device=like.device).expand(height, -1, -1)
    return torch.cat([row, column], -1).flatten(0, 1)
