"""The prompt encoder and mask decoder of SAM and its kin for objects with different numbers of points in one batch.

A padding point would take part in the attention and change the mask. Here padded tokens are left out of every
softmax instead, so each object gets exactly the mask that it would get alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear, scaled_dot_product_attention

from sampt_ros.data_types import NEGATIVE, POSITIVE
from sampt_ros.segmenters.base import PADDING

Tokens: TypeAlias = tuple[Tensor, Tensor]  # Embedded prompts (B, T, C), and (B, T) bool: False for padding.


@dataclass(frozen=True, eq=False)
class Guidance:
    """What draws a decoder's tokens to a known object (PerSAM; Zhang et al., arXiv 2305.03048).

    attention  (h * w,) 0..1, how much each of the image's cells looks like the object
    target     (C,) the object's mean features
    """

    attention: Tensor
    target: Tensor

    def to(self, precision: torch.dtype) -> Guidance:
        """The same in another number format."""
        return Guidance(self.attention.to(precision), self.target.to(precision))


def embed_points(encoder: Any, xy: Tensor, labels: Tensor) -> Tokens:
    """Points (B, N, 2) float32 in model pixels with labels (B, N), by a segment-anything PromptEncoder."""
    positive, negative = (encoder.point_embeddings[kind].weight for kind in (POSITIVE, NEGATIVE))
    kinds = torch.where((labels == POSITIVE)[..., None], positive, negative)
    return _positions(encoder, xy) + kinds, labels != PADDING


def embed_boxes(encoder: Any, boxes: Tensor) -> Tokens:
    """Boxes (B, 4) in model pixels; for one of NaN the token of an empty point, with which the model was trained."""
    has_box = ~boxes.isnan().any(1, keepdim=True)
    kinds = torch.stack([encoder.point_embeddings[2].weight[0], encoder.point_embeddings[3].weight[0]])
    corners = _positions(encoder, boxes.nan_to_num().reshape(-1, 2, 2)) + kinds
    empty = encoder.not_a_point_embed.weight.expand(len(boxes), 1, -1)
    return torch.cat([empty, corners], 1), torch.cat([~has_box, has_box, has_box], 1)


def embed_masks(encoder: Any, logits: Tensor | None) -> Tensor:
    """Masks (B, h, w) as logits, NaN where an object has none: (B, C, h / 4, w / 4), or (1, C, 1, 1) for no masks."""
    absent = encoder.no_mask_embed.weight[..., None, None]
    if logits is None:
        return absent
    present = ~logits.isnan().any(2).any(1)
    return torch.where(present[:, None, None, None], encoder.mask_downscaling(logits.nan_to_num()[:, None]), absent)


def _positions(encoder: Any, xy: Tensor) -> Tensor:
    """The positional encoding (B, N, C) of points (B, N, 2) in model pixels."""
    return encoder.pe_layer.forward_with_coords(xy + 0.5, encoder.input_image_size)


def decode_masks(
    decoder: Any,
    features: Tensor,
    positions: Tensor,
    prompts: Tensor,
    valid: Tensor,
    dense: Tensor,
    candidates: slice,
    guidance: Guidance | None = None,
) -> tuple[Tensor, Tensor]:
    """Run a segment-anything MaskDecoder.

    features, positions (1, C, h, w); prompts (B, T, C) with valid (B, T); dense (B, C, h, w) or (1, C, 1, 1);
    candidates: which M of its outputs are wanted; the first of all is for unambiguous prompts; guidance: to an object.
    Returns logits (B, M, 4h, 4w) of those and predicted IoU (B, M).
    """
    outputs = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens, image = decode_tokens(decoder, outputs, features, positions, prompts, valid, dense, guidance=guidance)
    masks = masks_of(decoder.output_hypernetworks_mlps[candidates], tokens[:, 1:][:, candidates], image)
    return masks, decoder.iou_prediction_head(tokens[:, 0])[:, candidates]


def decode_tokens(
    decoder: Any,
    outputs: Tensor,
    features: Tensor,
    positions: Tensor,
    prompts: Tensor,
    valid: Tensor,
    dense: Tensor,
    details: Sequence[Tensor] = (),
    guidance: Guidance | None = None,
) -> tuple[Tensor, Tensor]:
    """What a mask decoder's transformer makes of its output tokens (O, C) and of the image; the rest as `decode_masks`.

    details: none, or what is added to the image after each of the two steps by which it is enlarged:
    (1, h, w, 2, 2, C / 4) and (1, h, w, 2, 2, 2, 2, C / 8), pixels in the order that `_enlarged` makes them in
    Returns the output tokens (B, O, C) and the enlarged image (B, 4h, 4w, C / 8).
    """
    tokens = torch.cat([outputs.expand(len(prompts), -1, -1), prompts], 1)
    valid = torch.cat([valid.new_ones(len(prompts), len(outputs)), valid], 1)
    shape = features.shape[2:]
    image = (features + dense).expand(len(prompts), -1, -1, -1).flatten(2).transpose(1, 2)
    tokens, image = _two_way(decoder.transformer, image, positions.flatten(2).transpose(1, 2), tokens, valid, guidance)
    return tokens[:, : len(outputs)], _enlarged(decoder.output_upscaling, image.unflatten(1, shape), details)


def masks_of(heads: Iterable[Any], tokens: Tensor, image: Tensor) -> Tensor:
    """Logits (B, M, H, W): each of M tokens (B, M, C) through its own head, against the image (B, H, W, c)."""
    weights = torch.stack([head(tokens[:, index]) for index, head in enumerate(heads)], 1)
    return torch.einsum("bmc,bhwc->bmhw", weights, image)


def _enlarged(upscaling: Any, image: Tensor, details: Sequence[Tensor]) -> Tensor:
    """(B, 4h, 4w, C / 8) of an image (B, h, w, C), by the layers of a mask decoder's upscaling.

    Its transposed convolutions are as wide as their strides, so that each pixel becomes four independently of all
    others, as by a linear layer. The pixels are brought into the order of an image once, at the end.
    """
    first, norm, activation, second, _ = upscaling
    image = _transposed_convolution(first, image)
    if details:
        image = image + details[0]
    image = activation(layer_norm(image, norm.weight.shape, norm.weight, norm.bias, norm.eps))
    image = _transposed_convolution(second, image)
    if details:
        image = image + details[1]
    image = activation(image)
    batch, height, width, _, _, _, _, channels = image.shape  # (..., dy, dx, finer dy, finer dx, channels)
    return image.permute(0, 1, 3, 5, 2, 4, 6, 7).reshape(batch, 4 * height, 4 * width, channels)


def _transposed_convolution(convolution: Any, pixels: Tensor) -> Tensor:
    """What a transposed convolution of width and stride 2 makes of each pixel (..., C): four pixels (..., 2, 2, c)."""
    weight = convolution.weight.permute(2, 3, 1, 0)  # (2, 2, c, C)
    four = linear(pixels, weight.flatten(0, 2), convolution.bias.repeat(4))
    return four.unflatten(-1, weight.shape[:3])


def _two_way(
    transformer: Any,
    image: Tensor,
    image_position: Tensor,
    prompts: Tensor,
    valid: Tensor,
    guidance: Guidance | None = None,
) -> tuple[Tensor, Tensor]:
    """SAM's two-way transformer; tokens that are not valid are never attended to."""
    attention = None
    if guidance is not None:
        # Published PerSAM adds the target in place, so that the tokens' positional part gains it as well.
        prompts, attention = prompts + guidance.target, guidance.attention
    tokens, positioned = prompts, image + image_position
    padding = torch.zeros_like(valid, dtype=prompts.dtype).masked_fill(~valid, -torch.inf)[:, None, None]
    for number, layer in enumerate(transformer.layers):
        if guidance is not None and number > 0:
            tokens = tokens + guidance.target
        if layer.skip_first_layer_pe:
            tokens = _attend(layer.self_attn, tokens, tokens, tokens, padding)
        else:
            query = tokens + prompts
            tokens = tokens + _attend(layer.self_attn, query, query, tokens, padding)
        tokens = layer.norm1(tokens)
        tokens = tokens + _attend(layer.cross_attn_token_to_image, tokens + prompts, positioned, image, drawn=attention)
        tokens = layer.norm2(tokens)
        tokens = layer.norm3(tokens + layer.mlp(tokens))
        image = image + _attend(layer.cross_attn_image_to_token, positioned, tokens + prompts, tokens, padding)
        image = layer.norm4(image)
        positioned = image + image_position
    query = tokens + prompts
    if guidance is not None:
        query = query + guidance.target
    final = _attend(transformer.final_attn_token_to_image, query, positioned, image)
    return transformer.norm_final_attn(tokens + final), image


def _attend(
    attention: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    padding: Tensor | None = None,
    drawn: Tensor | None = None,
) -> Tensor:
    """One of SAM's attention modules: query (B, Q, C), key and value (B, K, C).

    padding  (B, 1, 1, K) with 0 for a key and -inf for padding; None: no padding
    drawn    (K,) how much the attention is drawn to each key besides, where no key is padding; None: not at all
    """

    def heads(x: Tensor) -> Tensor:
        return x.unflatten(2, (attention.num_heads, -1)).transpose(1, 2)

    queries, keys = heads(attention.q_proj(query)), heads(attention.k_proj(key))
    values = heads(attention.v_proj(value))
    if drawn is None:
        mixed = scaled_dot_product_attention(queries, keys, values, attn_mask=padding)
    else:
        weights = (queries @ keys.transpose(2, 3) / queries.shape[3] ** 0.5).softmax(3)
        mixed = (weights + drawn).softmax(3) @ values
    return attention.out_proj(mixed.transpose(1, 2).flatten(2))
