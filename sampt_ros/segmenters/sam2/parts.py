"""The parts of a SAM 2 of the transformers package, under the names that SAM's decoding here knows them by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sampt_ros.errors import CheckpointError
from sampt_ros.weights import imagenet
from sampt_ros.weights.packages import TESTED


class Parts(nn.Module):
    """What `segment_anything.modeling.Sam` consists of, made of a `transformers` Sam2Model or EdgeTamModel."""

    def __init__(self, published: Any) -> None:
        """Raises CheckpointError if the model has not the parts of the transformers that this was tested with."""
        super().__init__()
        try:
            self.image_encoder = _ImageEncoder(published)
            self.prompt_encoder = _PromptEncoder(published)
            self.mask_decoder = _renamed(published.mask_decoder)
        except AttributeError as error:
            raise CheckpointError(
                f"expected a model as in transformers {TESTED}, got {type(published).__name__}: {error}"
            ) from None
        for name, values in (("pixel_mean", imagenet.MEAN), ("pixel_std", imagenet.DEVIATION)):
            self.register_buffer(name, 255 * torch.tensor(values)[:, None, None])


class _ImageEncoder(nn.Module):
    """An image (1, 3, S, S) to its features (1, C, S / 16, S / 16), and to what the decoder adds when it enlarges."""

    def __init__(self, published: Any) -> None:
        super().__init__()
        self.img_size = published.prompt_encoder.input_image_size
        self.vision_encoder = published.vision_encoder
        self.fine, self.finest = published.mask_decoder.conv_s1, published.mask_decoder.conv_s0
        self.no_memory = published.no_memory_embedding

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps (1, C, h, w), (1, h, w, 2, 2, C / 4), (1, h, w, 2, 2, 2, 2, C / 8).

        The last two hold, for each cell, its pixels at twice and at four times the size: dy, dx, finer dy, finer dx.
        """
        finest, fine, features = self.vision_encoder(images).fpn_hidden_states
        fine, finest = self.fine(fine), self.finest(finest)
        height, width = features.shape[2:]
        fine = fine.unflatten(3, (width, 2)).unflatten(2, (height, 2)).permute(0, 2, 4, 3, 5, 1)
        finest = finest.unflatten(3, (width, 2, 2)).unflatten(2, (height, 2, 2)).permute(0, 2, 5, 3, 6, 4, 7, 1)
        return features + self.no_memory.view(1, -1, 1, 1), fine.contiguous(), finest.contiguous()


class _PromptEncoder(nn.Module):
    """The encoder of points, boxes and masks."""

    def __init__(self, published: Any) -> None:
        super().__init__()
        encoder = published.prompt_encoder
        self.point_embed = encoder.point_embed
        self.not_a_point_embed, self.no_mask_embed = encoder.not_a_point_embed, encoder.no_mask_embed
        self.mask_downscaling = encoder.mask_embed
        self.pe_layer = _Positions(encoder.shared_embedding)
        self.image_positions = _Positions(published.shared_image_embedding)
        self.input_image_size = (encoder.input_image_size,) * 2
        self.embedding_size, self.mask_input_size = encoder.image_embedding_size, encoder.mask_input_size

    @property
    def point_embeddings(self) -> list[SimpleNamespace]:
        """An embedding (1, C), as `weight`, for negative points, positive ones, and both corners of a box."""
        return [SimpleNamespace(weight=row) for row in self.point_embed.weight.split(1)]

    def get_dense_pe(self) -> Tensor:
        """The positional encoding (1, C, h, w) of the image's cells."""
        height, width = self.embedding_size
        device = self.point_embed.weight.device
        y, x = torch.meshgrid(torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij")
        places = self.image_positions.forward_with_coords(torch.stack([x, y], -1) + 0.5, (height, width))
        return places.permute(2, 0, 1)[None]


class _Positions(nn.Module):
    """Positional encodings of points."""

    def __init__(self, published: Any) -> None:
        super().__init__()
        self.published = published

    def forward_with_coords(self, xy: Tensor, size: tuple[int, int]) -> Tensor:
        """(..., C) of points xy (..., 2), pixels of an image of `size` (height, width)."""
        places = torch.stack([xy[..., 0] / size[1], xy[..., 1] / size[0]], -1)
        return self.published(places)


def _renamed(decoder: Any) -> Any:
    """The mask decoder, whose parts have a second name each."""
    activation = decoder.activation
    decoder.output_upscaling = [
        *(decoder.upscale_conv1, decoder.upscale_layer_norm, activation),
        *(decoder.upscale_conv2, activation),
    ]
    transformer = decoder.transformer
    transformer.norm_final_attn = transformer.layer_norm_final_attn
    _rename_attention(transformer.final_attn_token_to_image)
    for layer in transformer.layers:
        for number in range(1, 5):
            setattr(layer, f"norm{number}", getattr(layer, f"layer_norm{number}"))
        for attention in (layer.self_attn, layer.cross_attn_token_to_image, layer.cross_attn_image_to_token):
            _rename_attention(attention)
    return decoder


def _rename_attention(attention: Any) -> None:
    attention.num_heads, attention.out_proj = attention.num_attention_heads, attention.o_proj
