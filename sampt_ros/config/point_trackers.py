"""The parameters of point trackers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampt_ros.config.options import Section, checkpoint_file, number_format, option


def _max_error(default: float) -> Any:
    """For trackers that follow each point to the new frame and back."""
    description = (
        "Distance to its start within which a point must come back, when tracked to the new frame and back, to be "
    )
    description += "visible"
    return option(default, description, unit="pixels", minimum=0.01, maximum=100)


def _flow_size(default: int, minimum: int) -> Any:
    """For trackers by dense flow."""
    description = "Longest side that the image is scaled down to for the flow that moves points"
    return option(default, description, unit="pixels", minimum=minimum, maximum=4000)


def _carry_size(default: int) -> Any:
    """For trackers by dense flow."""
    description = "Side that a mask's surroundings are scaled down to for the flow that moves the mask"
    return option(default, description, unit="pixels", minimum=32, maximum=1000)


@dataclass(frozen=True)
class LucasKanadeConfig(Section):
    """Pyramidal Lucas-Kanade (tracker `lucas_kanade`)."""

    window: int = option(
        21, "Side of the window that is matched around each point", unit="pixels", minimum=5, maximum=101
    )
    levels: int = option(4, "Number of image pyramid levels above full resolution", minimum=0, maximum=8)
    max_error: float = _max_error(1.5)


@dataclass(frozen=True)
class DisFlowConfig(Section):
    """Dense inverse search optical flow (tracker `dis_flow`)."""

    preset: str = option(
        "fast", "Preset of OpenCV's method; slower ones are more accurate", choices=("ultrafast", "fast", "medium")
    )
    size: int = _flow_size(480, minimum=96)
    carry_size: int = _carry_size(240)
    max_error: float = _max_error(3.0)


@dataclass(frozen=True)
class RaftConfig(Section):
    """Recurrent all-pairs field transforms, dense optical flow by a network (tracker `raft`)."""

    model: str = option("small", "Architecture of the network that the checkpoint is for", choices=("small", "large"))
    checkpoint: str = checkpoint_file(".pth")
    iterations: int = option(12, "Number of times that the network refines the flow", minimum=1, maximum=50)
    size: int = _flow_size(512, minimum=128)
    carry_size: int = _carry_size(256)
    max_error: float = _max_error(3.0)


@dataclass(frozen=True)
class PipsConfig(Section):
    """Persistent independent particles (tracker `pips`)."""

    checkpoint: str = checkpoint_file(".pth")
    iterations: int = option(
        6, "Number of times that the network refines the trajectories in a window", minimum=1, maximum=20
    )
    precision: str = number_format(
        "Number format that the layers which move points compute in; auto: float16 on a GPU, else float32"
    )


@dataclass(frozen=True)
class TapirConfig(Section):
    """Online TAPIR with the weights of BootsTAP, for video of at least about 12 frames/s (tracker `tapir`)."""

    checkpoint: str = checkpoint_file(".pt")


@dataclass(frozen=True)
class MatchingConfig(Section):
    """SuperPoint with LightGlue: points are matched with the frame that they were queried in (tracker `lightglue`)."""

    checkpoint: str = checkpoint_file(".safetensors")
    keypoints: int = option(
        512, "Most keypoints that are found in an image, beside the queried points", minimum=16, maximum=4096
    )
    size: int = option(
        640,
        "Longest side that the image is scaled down to for the matching",
        unit="pixels",
        minimum=128,
        maximum=4000,
    )


@dataclass(frozen=True)
class SuperGlueConfig(MatchingConfig):
    """SuperPoint with SuperGlue: points are matched with the frame that they were queried in (tracker `superglue`)."""

    model: str = option("outdoor", "Scenes that the checkpoint was trained on", choices=("outdoor", "indoor"))


@dataclass(frozen=True)
class CoTrackerConfig(Section):
    """CoTracker3 online, whose package and weights are for non-commercial use only (tracker `cotracker`)."""

    checkpoint: str = checkpoint_file(".pth")
    iterations: int = option(
        6, "Number of times that the network refines the trajectories in a window", minimum=1, maximum=20
    )
