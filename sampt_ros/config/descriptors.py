"""The parameters of descriptors."""

from __future__ import annotations

from dataclasses import dataclass

from sampt_ros.config.options import Section, checkpoint_file, number_format, option

OF_SEGMENTER = "segmenter"  # The value of the parameter for the segmenter's own features.


@dataclass(frozen=True)
class DinoV2Config(Section):
    """DINOv2 (descriptor `dinov2`)."""

    model: str = option(
        "small", "Architecture of the network that the checkpoint is for", choices=("small", "base", "large")
    )
    checkpoint: str = checkpoint_file(".safetensors")
    size: int = option(
        518,
        "Longest side that the image is scaled to for the network, in steps of 14",
        unit="pixels",
        minimum=140,
        maximum=2044,
    )
    precision: str = number_format(
        "Number format that the network computes in; auto: bfloat16 on a GPU that supports it, else float32"
    )
