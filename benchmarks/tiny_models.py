"""SAM and its relatives with few layers and channels, to run all of their code in little time."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

_ENCODER: dict[str, Any] = {
    "img_size": 256,
    "embed_dim": 48,
    "depth": 2,
    "num_heads": 3,
    "out_chans": 64,
    "norm_layer": partial(nn.LayerNorm, eps=1e-6),
    "use_rel_pos": True,
    "window_size": 7,
    "global_attn_indexes": (1,),
}
_TRANSFORMER = {"depth": 2, "embedding_dim": 64, "mlp_dim": 128, "num_heads": 4}
_DECODER = {"num_multimask_outputs": 3, "transformer_dim": 64, "iou_head_depth": 3, "iou_head_hidden_dim": 64}


def sam() -> Any:
    """A SAM of 256 pixels a side."""
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    decoder = MaskDecoder(transformer=TwoWayTransformer(**_TRANSFORMER), **_DECODER)
    return Sam(ImageEncoderViT(**_ENCODER), PromptEncoder(64, (16, 16), (256, 256), 16), decoder)


def sam_hq() -> Any:
    """A HQ-SAM of 256 pixels a side."""
    from segment_anything_hq.modeling import ImageEncoderViT, MaskDecoderHQ, PromptEncoder, Sam, TwoWayTransformer

    decoder = MaskDecoderHQ(transformer=TwoWayTransformer(**_TRANSFORMER), vit_dim=_ENCODER["embed_dim"], **_DECODER)
    return Sam(ImageEncoderViT(**_ENCODER), PromptEncoder(64, (16, 16), (256, 256), 16), decoder)


def mobile_sam() -> Any:
    """A MobileSAM; the sizes of its input and of its embedding are in its code."""
    from mobile_sam.modeling import MaskDecoder, PromptEncoder, Sam, TinyViT, TwoWayTransformer

    encoder = TinyViT(
        img_size=1024,
        embed_dims=[8, 16, 16, 320],
        depths=[1, 1, 2, 1],
        num_heads=[1, 2, 2, 10],
        window_sizes=[7, 7, 14, 7],
        drop_path_rate=0.0,
        layer_lr_decay=0.8,
    )
    transformer = TwoWayTransformer(**{**_TRANSFORMER, "embedding_dim": 256})
    decoder = MaskDecoder(transformer=transformer, **{**_DECODER, "transformer_dim": 256})
    return Sam(encoder, PromptEncoder(256, (64, 64), (1024, 1024), 16), decoder)
