"""The parameters of mask propagators."""

from __future__ import annotations

from dataclasses import dataclass

from sampt_ros.config.options import Section, checkpoint_file, option

NONE = "none"  # The value of the parameter for no propagator.


@dataclass(frozen=True)
class PropagationConfig(Section):
    """What becomes of the masks that a mask propagator finds (`mask_propagator`)."""

    use: str = option(
        "prompt",
        "Use of the propagated mask; prompt: it is the segmenter's mask prompt in every frame; mask: it is the "
        "object's mask where the propagator is sure of it, and goes through the segmenter with the points where not",
        choices=("prompt", "mask"),
    )
    certainty: float = option(
        0.8,
        "Certainty from which a propagated mask is taken as it is (use: mask)",
        minimum=0,
        maximum=1,
        live=True,
    )


@dataclass(frozen=True)
class CutieConfig(Section):
    """Cutie, the successor of XMem (mask propagator `cutie`)."""

    model: str = option("base", "Architecture of the network that the checkpoint is for", choices=("base", "small"))
    checkpoint: str = checkpoint_file(".pth")
    size: int = option(
        480,
        "Shortest side that the image is scaled down to for the network",
        unit="pixels",
        minimum=96,
        maximum=2000,
    )


@dataclass(frozen=True)
class DeaotConfig(Section):
    """DeAOT, the tracker of SAM-Track (mask propagator `deaot`)."""

    model: str = option(
        "r50_large",
        "Architecture of the network that the checkpoint is for",
        choices=("tiny", "small", "base", "large", "r50_large", "swin_b_large"),
    )
    checkpoint: str = checkpoint_file(".pth")
    size: int = option(
        480,
        "Shortest side that the image is scaled down to for the network",
        unit="pixels",
        minimum=96,
        maximum=2000,
    )
    memories: int = option(
        5,
        "Number of frames that are remembered of an object, the one that it was started on among them; the smaller "
        "models remember that one alone",
        minimum=1,
        maximum=100,
    )
