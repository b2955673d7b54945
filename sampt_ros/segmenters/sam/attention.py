"""The attention of SAM's image encoder, computed without storing its matrices of all queries by all keys.

The published module adds two numbers to every query's product with every key, one for their distance in rows and one
for that in columns. For a whole image these matrices take half a gigabyte. Here the numbers become part of the product:
each query has them as further channels, one for each row and one for each column of the image, and each key has a one
in the channels of its own row and column, zeros in the others. The sums are the same, and a fused attention, which
stores no matrix, can compute them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

_ALIGNMENT = 8  # Fused attention wants a multiple of so many channels.


class FusedAttention(nn.Module):
    """Takes the place of a `segment_anything` Attention with relative positions, whose weights it shares."""

    def __init__(self, published: Any) -> None:
        super().__init__()
        self.num_heads, self.scale = published.num_heads, published.scale
        self.qkv, self.proj = published.qkv, published.proj
        self.rel_pos_h, self.rel_pos_w = published.rel_pos_h, published.rel_pos_w

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) features of (B, H, W, C) features."""
        batch, height, width, _ = x.shape
        qkv = self.qkv(x).view(batch, height * width, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # (B, heads, H * W, c) each
        rows, columns = self._distances(query, height, width)
        channels = value.shape[-1]
        zeros = query.new_zeros(1).expand(*query.shape[:-1], -(channels + height + width) % _ALIGNMENT)
        cells = _one_hot_cells(height, width, key).expand(*key.shape[:-1], -1)
        query = torch.cat([query * self.scale, rows.flatten(2, 3), columns.flatten(2, 3), zeros], -1)
        key = torch.cat([key, cells, zeros], -1)
        value = pad(value, (0, query.shape[-1] - channels))  # Fused attention wants all of one size.
        mixed = scaled_dot_product_attention(query, key, value, scale=1.0)[..., :channels]
        return self.proj(mixed.transpose(1, 2).reshape(batch, height, width, -1))

    def _distances(self, query: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """(B, heads, H, W, H) and (B, heads, H, W, W): what each query adds for the keys of each row and column."""
        table = torch.cat([self.rel_pos_h.flip(0), self.rel_pos_w.flip(0)])  # From the farthest above, or left, on.
        every = (query @ table.T).contiguous()
        batch, heads, cells, distances = every.shape
        # For a query in row h, the number for keys in row 0 is at H - 1 - h of the table: with each further row of
        # queries the numbers to take begin one place earlier, which strides express without a copy.
        shape, steps = (batch, heads, height, width), (heads * cells * distances, cells * distances)
        rows = every.as_strided((*shape, height), (*steps, width * distances - 1, distances, 1), height - 1)
        first_column = 2 * height - 1 + width - 1
        columns = every.as_strided((*shape, width), (*steps, width * distances, distances - 1, 1), first_column)
        return rows, columns


def fuse_attention(encoder: nn.Module) -> None:
    """Replace the attention of an image encoder's blocks by FusedAttention where it has relative positions."""
    for block in getattr(encoder, "blocks", ()):
        if getattr(block.attn, "use_rel_pos", False):
            block.attn = FusedAttention(block.attn)


def _one_hot_cells(height: int, width: int, like: Tensor) -> Tensor:
    """(H * W, H + W): for each cell of the image, a one at its row and at its column, zeros elsewhere."""
    row = torch.eye(height, dtype=like.dtype, device=like.device)[:, None].expand(-1, width, -1)
    column = torch.eye(width, dtype=like.dtype, device=like.device).expand(height, -1, -1)
    return torch.cat([row, column], -1).flatten(0, 1)
