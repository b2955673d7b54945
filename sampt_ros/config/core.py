"""Every parameter once: default, description, unit, allowed values.

YAML presets, ROS parameters, command-line flags and docs/parameters.md are all made from these
dataclasses. Nested parameters have dotted names, such as `reinit.horizon`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sampt_ros.config.options import Section, option
from sampt_ros.errors import ConfigError

SELECTION = ("k_medoids", "shi_tomasi", "random", "mixed")


@dataclass(frozen=True)
class PointsConfig(Section):
    """How query points are drawn from a mask."""

    positive: int = option(8, "Number of query points drawn on the object", minimum=1, maximum=256, live=True)
    negative: int = option(1, "Number of query points drawn off the object", minimum=0, maximum=256, live=True)
    positive_method: str = option(
        "k_medoids", "Method that draws the query points on the object", choices=SELECTION, live=True
    )
    negative_method: str = option(
        "mixed", "Method that draws the query points off the object", choices=SELECTION, live=True
    )


@dataclass(frozen=True)
class VisibilityConfig(Section):
    """When a tracked point does not count as visible."""

    border: float = option(
        0.01,
        "Width of the margin along the image's border in which points do not count as visible",
        unit="share of the image",
        minimum=0,
        maximum=0.4,
        live=True,
    )
    patch_similarity: bool = option(
        False,
        "Whether a point counts as visible only while the 3x3 pixels around it resemble those it was queried on",
        live=True,
    )
    patch_difference: float = option(
        20.0,
        "Largest mean colour difference at which the 3x3 pixels around a point still resemble those it was queried on",
        unit="CIE76 delta E",
        minimum=0,
        maximum=200,
        live=True,
    )


@dataclass(frozen=True)
class PromptingConfig(Section):
    """How points become a mask."""

    refinements: int = option(
        12, "Number of decoder passes that refine a mask by its own box", minimum=0, maximum=50, live=True
    )
    iou_threshold: float = option(
        0.7,
        "Lowest predicted IoU at which a mask is accepted; refused masks are not published",
        minimum=0,
        maximum=1,
        live=True,
    )
    carry_mask: bool = option(
        False,
        "Whether the segmenter also gets the last accepted mask as a prompt, moved to the new frame by the tracker",
        live=True,
    )


@dataclass(frozen=True)
class ReinitConfig(Section):
    """When fresh query points are drawn, and from which mask."""

    policy: str = option(
        "horizon",
        "Policy that chooses the masks from which fresh query points are drawn; never: the first points are kept",
        choices=("never", "horizon", "median_area", "similar_area", "similar_area_together"),
    )
    horizon: int = option(
        8, "Number of frames after which fresh query points are drawn", unit="frames", minimum=1, maximum=256
    )


@dataclass(frozen=True)
class ReacquireConfig(Section):
    """How lost objects are found again."""

    enabled: bool = option(
        True, "Whether masks unlike their object are refused, and lost objects searched for in the whole image"
    )
    exemplars: int = option(6, "Number of frames from which an object's appearance is learned", minimum=2, maximum=32)
    gap: int = option(
        16,
        "Number of frames after which an object's appearance is learned again; it is less at first",
        unit="frames",
        minimum=1,
        maximum=1000,
    )
    drift: float = option(
        0.25,
        "Resemblance to the object below which its mask has drifted onto something else, so that the object is lost",
        unit="share of its own masks' resemblance",
        minimum=0,
        maximum=1,
    )
    resemblance: float = option(
        0.5,
        "Resemblance to a lost object from which a mask found in the image is taken to be the object",
        unit="share of its own masks' resemblance",
        minimum=0,
        maximum=1,
    )
    reference_resemblance: float = option(
        0.75,
        "Resemblance from which a mask found in the image is taken to be an object known from a picture alone",
        unit="share of the picture's own mask's resemblance",
        minimum=0,
        maximum=1,
    )
    size_change: float = option(
        3.0,
        "Factor by which a mask found in the image may be larger or smaller in area than all masks of the lost object",
        minimum=1,
        maximum=100,
    )
    patience: int = option(
        3,
        "Number of frames with refused masks in a row after which an object is searched for in the whole image",
        unit="frames",
        minimum=1,
        maximum=1000,
    )


def _precision(description: str) -> Any:
    return option("auto", description, choices=("auto", "float32", "bfloat16", "float16"))


def _sam_precision() -> Any:
    return _precision(
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
    checkpoint: str = option(
        "", "Path of the checkpoint file (.pth); empty: the one that `sampt models fetch` downloaded"
    )
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class MobileSamConfig(Section):
    """MobileSAM (segmenter `mobile_sam`)."""

    checkpoint: str = option(
        "", "Path of the checkpoint file (.pt); empty: the one that `sampt models fetch` downloaded"
    )
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class SamHqConfig(Section):
    """Segment Anything in High Quality (segmenter `sam_hq`)."""

    model: str = option(
        "vit_h", "Architecture of the network that the checkpoint is for", choices=("vit_b", "vit_l", "vit_h")
    )
    checkpoint: str = option(
        "", "Path of the checkpoint file (.pth); empty: the one that `sampt models fetch` downloaded"
    )
    precision: str = _sam_precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class NanoConfig(Section):
    """The small network whose weights are in the package (segmenter `nano`)."""

    checkpoint: str = option("", "Path of a file with other weights (.safetensors); empty: those in this package")
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
    checkpoint: str = option(
        "", "Path of the checkpoint file (.pth); empty: the one that `sampt models fetch` downloaded"
    )
    iterations: int = option(12, "Number of times that the network refines the flow", minimum=1, maximum=50)
    size: int = _flow_size(512, minimum=128)
    carry_size: int = _carry_size(256)
    max_error: float = _max_error(3.0)


@dataclass(frozen=True)
class PipsConfig(Section):
    """Persistent independent particles (tracker `pips`)."""

    checkpoint: str = option(
        "", "Path of the checkpoint file (.pth); empty: the one that `sampt models fetch` downloaded"
    )
    iterations: int = option(
        6, "Number of times that the network refines the trajectories in a window", minimum=1, maximum=20
    )
    precision: str = _precision(
        "Number format that the layers which move points compute in; auto: float16 on a GPU, else float32"
    )


@dataclass(frozen=True)
class SamPtConfig(Section):
    """The whole core; the defaults are the paper's SAM-PT settings."""

    segmenter: str = option(
        "sam", "Segmenter that makes masks from points", choices=("sam", "sam_hq", "mobile_sam", "nano", "grabcut")
    )
    point_tracker: str = option(
        "lucas_kanade",
        "Point tracker that follows points from frame to frame",
        choices=("lucas_kanade", "dis_flow", "raft", "pips"),
    )
    device: str = option(
        "auto", "Device that networks run on; auto: cuda if there is a GPU, else cpu", choices=("auto", "cpu", "cuda")
    )
    cpu_threads: int = option(
        0,
        "Number of threads that a network computes on where it runs on a CPU; 0: half of the cores, but 2 to 4, and no "
        "more than the environment variable OMP_NUM_THREADS says",
        minimum=0,
        maximum=256,
    )
    seed: int = option(
        0,
        "Seed of the random numbers that query points are drawn with; runs with the same seed repeat exactly",
        minimum=0,
    )
    max_objects: int = option(
        16, "Most objects that are tracked at once; a query for one more is refused", minimum=1, maximum=1000, live=True
    )
    points: PointsConfig = field(default_factory=PointsConfig)
    visibility: VisibilityConfig = field(default_factory=VisibilityConfig)
    prompting: PromptingConfig = field(default_factory=PromptingConfig)
    reinit: ReinitConfig = field(default_factory=ReinitConfig)
    reacquire: ReacquireConfig = field(default_factory=ReacquireConfig)
    sam: SamConfig = field(default_factory=SamConfig)
    sam_hq: SamHqConfig = field(default_factory=SamHqConfig)
    mobile_sam: MobileSamConfig = field(default_factory=MobileSamConfig)
    nano: NanoConfig = field(default_factory=NanoConfig)
    grabcut: GrabCutConfig = field(default_factory=GrabCutConfig)
    lucas_kanade: LucasKanadeConfig = field(default_factory=LucasKanadeConfig)
    dis_flow: DisFlowConfig = field(default_factory=DisFlowConfig)
    raft: RaftConfig = field(default_factory=RaftConfig)
    pips: PipsConfig = field(default_factory=PipsConfig)
