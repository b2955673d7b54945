"""Builds SAM, its variants and other networks with few layers and channels, so that all of their code runs quickly."""

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


_SAM2_SIZES = [[64, 64], [32, 32], [16, 16]]  # Sizes of the feature maps of an image of 256 pixels a side.


def sam2() -> Any:
    """A SAM 2 of 256 pixels a side."""
    import transformers

    return transformers.Sam2Model(transformers.Sam2Config(vision_config=_hiera(), **_sam2_decoding("Sam2")))


def _hiera() -> Any:
    import transformers

    backbone = transformers.Sam2HieraDetConfig(
        image_size=[256, 256],
        hidden_size=16,
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[16, 32, 64, 128],
        global_attention_blocks=[3],
    )
    return transformers.Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[128, 64, 32, 16],
        backbone_feature_sizes=_SAM2_SIZES,
        fpn_hidden_size=128,
    )


def edgetam() -> Any:
    """An EdgeTAM of 256 pixels a side, with the published image encoder, which is small."""
    import transformers

    return transformers.EdgeTamModel(transformers.EdgeTamConfig(vision_config=_repvit(), **_sam2_decoding("EdgeTam")))


def _repvit() -> Any:
    import transformers

    outputs = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
    return transformers.EdgeTamVisionConfig(
        backbone_config=transformers.TimmWrapperConfig(architecture="repvit_m1", model_args=outputs),
        backbone_feature_sizes=_SAM2_SIZES,
        fpn_hidden_size=128,
    )


_MEMORY: dict[str, Any] = {
    "image_size": 256,
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 1,
    "memory_attention_rope_feat_sizes": [16, 16],
    "memory_encoder_hidden_size": 128,
    "memory_encoder_output_channels": 64,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 128,
}


def sam2_video() -> Any:
    """A SAM 2 with its memory."""
    import transformers

    config = transformers.Sam2VideoConfig(
        vision_config=_hiera(),
        memory_attention_feed_forward_hidden_size=128,
        **_MEMORY,
        **_sam2_decoding("Sam2Video"),
    )
    return transformers.Sam2VideoModel(config)


def edgetam_video() -> Any:
    """An EdgeTAM with its memory."""
    import transformers

    config = transformers.EdgeTamVideoConfig(
        vision_config=_repvit(),
        memory_attention_mlp_hidden_size=128,
        memory_attention_rope_k_sizes=[8, 8],
        perceiver_resampler_num_latents=64,
        perceiver_resampler_num_latents_2d=64,
        perceiver_resampler_mlp_intermediate_size=64,
        perceiver_resampler_attention_head_dim=64,
        perceiver_resampler_num_layers=1,
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
        **_MEMORY,
        **_sam2_decoding("EdgeTamVideo"),
    )
    return transformers.EdgeTamVideoModel(config)


def _sam2_decoding(family: str) -> dict[str, Any]:
    """The configurations of a small prompt encoder and a small mask decoder."""
    import transformers

    decoder = {"hidden_size": 128, "mlp_dim": 128, "num_attention_heads": 4, "iou_head_hidden_dim": 64}
    return {
        "prompt_encoder_config": getattr(transformers, f"{family}PromptEncoderConfig")(hidden_size=128, image_size=256),
        "mask_decoder_config": getattr(transformers, f"{family}MaskDecoderConfig")(**decoder),
    }


def seggpt() -> Any:
    """A SegGPT for images of 64 pixels a side."""
    import transformers

    config = transformers.SegGptConfig(
        hidden_size=48,
        num_hidden_layers=4,
        num_attention_heads=3,
        image_size=[128, 64],
        pretrain_image_size=32,
        decoder_hidden_size=8,
        merge_index=1,
        intermediate_hidden_state_indices=[1, 2, 3],
    )
    return transformers.SegGptForImageSegmentation(config)


_SUPERPOINT: dict[str, Any] = {"encoder_hidden_sizes": (8, 8, 16, 16), "decoder_hidden_size": 32, "max_keypoints": 48}


def superglue() -> Any:
    """A SuperGlue of two layers, which matches the keypoints that are most similar."""
    import transformers

    detector = transformers.SuperPointConfig(**_SUPERPOINT)
    config = transformers.SuperGlueConfig(
        keypoint_detector_config=detector, gnn_layers_types=["self", "cross"], sinkhorn_iterations=10
    )
    return transformers.SuperGlueForKeypointMatching(config)


def lightglue() -> Any:
    """A LightGlue of two layers, which matches the keypoints that are most similar, however little that is."""
    import transformers

    detector = transformers.SuperPointConfig(**_SUPERPOINT)
    config = transformers.LightGlueConfig(keypoint_detector_config=detector, num_hidden_layers=2, filter_threshold=0.0)
    return transformers.LightGlueForKeypointMatching(config)


def dinov2() -> Any:
    """A DINOv2 of two layers, for images of 70 pixels a side."""
    import transformers

    config = transformers.Dinov2Config(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=3, image_size=70, patch_size=14, layer_norm_eps=1e-6
    )
    return transformers.Dinov2Model(config)
