"""The architectures of the published SAM 2.1 and EdgeTAM, built with the transformers package; weights come later."""

from __future__ import annotations

from typing import Any

from sampt_ros.weights.packages import package, transformers

_WINDOWS = (8, 4, 14, 7)
_HIERA: dict[str, dict[str, Any]] = {  # width and heads of the first stage, blocks of each stage, ...
    "tiny": {"width": 96, "heads": 1, "blocks": (1, 2, 7, 2), "global_blocks": (5, 7, 9)},
    "small": {"width": 96, "heads": 1, "blocks": (1, 2, 11, 2), "global_blocks": (7, 10, 13)},
    "base_plus": {"width": 112, "heads": 2, "blocks": (2, 3, 16, 3), "global_blocks": (12, 16, 20), "background": 14},
    "large": {
        "width": 144,
        "heads": 2,
        "blocks": (2, 6, 36, 4),
        "global_blocks": (23, 33, 43),
        "windows": (8, 4, 16, 8),
    },
}
# Tensors of the published files that only tracking through a video needs.
VIDEO_TENSORS = (
    "mask_downsample.",
    "memory_",
    "no_memory_positional_encoding",
    "no_object_pointer",
    "object_pointer_proj.",
    "occlusion_spatial_embedding_parameter",
    "spatial_perceiver.",
    "temporal_positional_encoding_projection_layer.",
)


def sam2(model: str) -> Any:
    """A `transformers.Sam2Model`: tiny, small, base_plus or large.

    Raises CheckpointError without transformers, or with one whose parts have other names.
    """
    library = transformers("sam2", "sam2")
    config = library.Sam2Config(vision_config=_hiera(library, **_HIERA[model]))
    return library.Sam2Model(config)


def edgetam() -> Any:
    """A `transformers.EdgeTamModel`. Raises CheckpointError without transformers or timm, which has its encoder."""
    library = transformers("edgetam", "edgetam")
    return library.EdgeTamModel(library.EdgeTamConfig(vision_config=_repvit(library)))


def sam2_video(model: str) -> Any:
    """A `transformers.Sam2VideoModel`, which remembers objects; else as `sam2`."""
    library = transformers("sam2", "sam2")
    config = library.Sam2VideoConfig(vision_config=_hiera(library, **_HIERA[model]))
    return library.Sam2VideoModel(config)


def edgetam_video() -> Any:
    """A `transformers.EdgeTamVideoModel`, which remembers objects; else as `edgetam`."""
    library = transformers("edgetam", "edgetam")
    config = library.EdgeTamVideoConfig(
        vision_config=_repvit(library),
        # The published model has neither, other than SAM 2.1.
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
    )
    return library.EdgeTamVideoModel(config)


def _repvit(library: Any) -> Any:
    """The configuration of EdgeTAM's image encoder."""
    package("edgetam", "timm", "edgetam")
    outputs = {"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]}
    backbone = library.TimmWrapperConfig(architecture="repvit_m1", model_args=outputs)
    return library.EdgeTamVisionConfig(backbone_config=backbone)


def _hiera(
    library: Any,
    width: int,
    heads: int,
    blocks: tuple[int, ...],
    global_blocks: tuple[int, ...],
    windows: tuple[int, ...] = _WINDOWS,
    background: int = 7,
) -> Any:
    """The configuration of an image encoder whose stages double in width."""
    widths = [width << stage for stage in range(4)]
    backbone = library.Sam2HieraDetConfig(
        hidden_size=width,
        num_attention_heads=heads,
        blocks_per_stage=list(blocks),
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[heads << stage for stage in range(4)],
        window_size_per_stage=list(windows),
        global_attention_blocks=list(global_blocks),
        window_positional_embedding_background_size=[background] * 2,
    )
    return library.Sam2VisionConfig(backbone_config=backbone, backbone_channel_list=widths[::-1])
