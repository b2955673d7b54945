"""The parameters of segmenters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampt_ros.config.options import Section, checkpoint_file, number_format, option
from sampt_ros.errors import ConfigError


def _sam_precision() -> Any:
    return number_format(
        "Number format that the networks compute in, on a CPU the image encoder alone; auto: bfloat16 on a GPU that "
        "supports it, else float32"
    )


def _compile() -> Any:
    return option(
        False,
        "Whether the image encoder is compiled with torch.compile at start, which makes starts slower, frames faster",
    )


@dataclass(frozen=True)
class SamConfig(Section):
    """Segment Anything (segmenter `sam`)."""

    model: str = option(
        "vit_b", "Architecture of the network that the checkpoint is for", choices=("vit_b", "vit_l", "vit_h")
    )
    checkpoint: str = checkpoint_file(".pth")
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class MobileSamConfig(Section):
    """MobileSAM (segmenter `mobile_sam`)."""

    checkpoint: str = checkpoint_file(".pt")
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class SamHqConfig(Section):
    """Segment Anything in High Quality (segmenter `sam_hq`)."""

    model: str = option(
        "vit_h", "Architecture of the network that the checkpoint is for", choices=("vit_b", "vit_l", "vit_h")
    )
    checkpoint: str = checkpoint_file(".pth")
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class Sam2Config(Section):
    """SAM 2.1 (segmenter `sam2`, mask propagator `sam2`); precision and compile are the segmenter's alone."""

    model: str = option(
        "tiny",
        "Architecture of the network that the checkpoint is for",
        choices=("tiny", "small", "base_plus", "large"),
    )
    checkpoint: str = checkpoint_file(".safetensors")
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class EdgeTamConfig(Section):
    """EdgeTAM (segmenter `edgetam`, mask propagator `edgetam`); precision and compile are the segmenter's alone."""

    checkpoint: str = checkpoint_file(".safetensors")
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class SegGptConfig(Section):
    """SegGPT (segmenter `seggpt`); clicks become masks by GrabCut, whose parameters are in `grabcut`."""

    checkpoint: str = checkpoint_file(".safetensors")
    precision: str = number_format(
        "Number format that the network computes in; auto: bfloat16 on a GPU that supports it, else float32"
    )
    memories: int = option(
        2,
        "Number of frames with an object's mask that the network is shown, the first or the reference picture among "
        "them; a frame's time grows with it",
        minimum=1,
        maximum=16,
    )


@dataclass(frozen=True)
class NanoConfig(Section):
    """The small networks whose weights are in the package (segmenter `nano`)."""

    checkpoint: str = option(
        "",
        "Path of a file with other weights (.safetensors) of the network that follows objects; empty: those in this "
        "package",
    )
    click_checkpoint: str = option(
        "",
        "Path of a file with other weights (.safetensors) of the click network, which finds an object at clicks or in "
        "a box where nothing is remembered of it; empty: those in this package",
    )
    precision: str = option(
        "auto",
        "Numbers that the networks compute with on a CPU: int8 is faster where the CPU has instructions for it; "
        "auto: int8 if it has (x86 with VNNI), else float32, as with weights of your own and on a GPU",
        choices=("auto", "float32", "int8"),
    )
    window: int = option(
        256,
        "Side that the square window around an object is scaled to for the network, a multiple of 32",
        unit="pixels",
        minimum=96,
        maximum=1024,
    )
    budget: int = option(
        131_072,
        "Pixels that the scaled windows of all objects may have together; where they would have more, their side is "
        "reduced in steps of 32, down to 128",
        unit="pixels a frame",
        minimum=9216,
    )
    margin: float = option(
        1.6, "Side of the square window around an object", unit="times the mask's longer side", minimum=1, maximum=4
    )
    memories: int = option(
        4, "Number of frames that are remembered of an object, its first one among them", minimum=1, maximum=32
    )
    memory_gap: int = option(
        5,
        "Number of frames after which one more frame is remembered of an object",
        unit="frames",
        minimum=1,
        maximum=1000,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 32:
            raise ConfigError(f"window: expected a multiple of 32, got {self.window}")


@dataclass(frozen=True)
class GrabCutConfig(Section):
    """GrabCut (segmenter `grabcut`)."""

    work_size: int = option(
        160,
        "Side that the crop around an object is scaled down to; the square root of its area, if it is not square",
        unit="pixels",
        minimum=32,
        maximum=1000,
    )
    margin: float = option(
        0.35,
        "Margin of the crop around an object, on every side",
        unit="share of the square root of its box's area",
        minimum=0.05,
        maximum=2,
    )
    band: float = option(
        0.3,
        "Distance from the mask prompt beyond which no pixel becomes part of the object",
        unit="share of the square root of the object's area",
        minimum=0.01,
        maximum=2,
    )
    contour_sigma: float = option(
        0.06,
        "Uncertainty of the mask prompt's contour: the distance at which its shape counts for log odds of 1",
        unit="share of the square root of the object's area",
        minimum=0.001,
        maximum=1,
    )
    color_weight: float = option(
        0.7, "Weight of the colours against the shape of the mask prompt", minimum=0, maximum=10
    )
    smallest_part: float = option(
        1.0,
        "Area below which a separate part of a mask is dropped",
        unit="share of the largest part",
        minimum=0,
        maximum=1,
    )
