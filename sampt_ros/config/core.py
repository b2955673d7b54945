"""Every parameter of the core, declared once: default, description, unit, allowed values.

YAML presets, ROS parameters, command-line options and docs/parameters.md are all derived from these
dataclasses. Nested parameters have dotted names, such as `reinit.horizon`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sampt_ros.config.descriptors import DinoV2Config
from sampt_ros.config.mask_propagators import CutieConfig, DeaotConfig, PropagationConfig
from sampt_ros.config.options import Section, option
from sampt_ros.config.point_trackers import (
    CoTrackerConfig,
    DisFlowConfig,
    LucasKanadeConfig,
    MatchingConfig,
    PipsConfig,
    RaftConfig,
    SuperGlueConfig,
    TapirConfig,
)
from sampt_ros.config.segmenters import (
    EdgeTamConfig,
    GrabCutConfig,
    MobileSamConfig,
    NanoConfig,
    Sam2Config,
    SamConfig,
    SamHqConfig,
    SegGptConfig,
)

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


@dataclass(frozen=True)
class SamPtConfig(Section):
    """All parameters of the core; the defaults are the paper's SAM-PT settings."""

    segmenter: str = option(
        "sam",
        "Segmenter that makes masks from points",
        choices=("sam", "sam_hq", "mobile_sam", "sam2", "edgetam", "seggpt", "nano", "grabcut"),
    )
    point_tracker: str = option(
        "lucas_kanade",
        "Point tracker that follows points from frame to frame",
        choices=("lucas_kanade", "dis_flow", "raft", "pips", "tapir", "superglue", "lightglue", "cotracker"),
    )
    mask_propagator: str = option(
        "none",
        "Mask propagator that follows masks from frame to frame, beside the points; none: the point tracker carries "
        "them, if it can and prompting.carry_mask is set",
        choices=("none", "cutie", "deaot", "sam2", "edgetam"),
    )
    one_shot: str = option(
        "none",
        "Method that finds an object known from a picture alone, on a segmenter like SAM; none: it is found as lost "
        "objects are, by a click where the image looks most like it",
        choices=("none", "persam"),
    )
    descriptor: str = option(
        "segmenter",
        "Features by which lost objects and those known from a picture are recognized; segmenter: its own",
        choices=("segmenter", "dinov2"),
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
    random_weights: bool = option(
        False,
        "Whether networks keep the random weights that they are made with, and need no files: to try whether a preset "
        "runs and how fast, since it finds nothing",
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
    propagation: PropagationConfig = field(default_factory=PropagationConfig)
    sam: SamConfig = field(default_factory=SamConfig)
    sam_hq: SamHqConfig = field(default_factory=SamHqConfig)
    mobile_sam: MobileSamConfig = field(default_factory=MobileSamConfig)
    sam2: Sam2Config = field(default_factory=Sam2Config)
    edgetam: EdgeTamConfig = field(default_factory=EdgeTamConfig)
    seggpt: SegGptConfig = field(default_factory=SegGptConfig)
    nano: NanoConfig = field(default_factory=NanoConfig)
    grabcut: GrabCutConfig = field(default_factory=GrabCutConfig)
    lucas_kanade: LucasKanadeConfig = field(default_factory=LucasKanadeConfig)
    dis_flow: DisFlowConfig = field(default_factory=DisFlowConfig)
    raft: RaftConfig = field(default_factory=RaftConfig)
    pips: PipsConfig = field(default_factory=PipsConfig)
    tapir: TapirConfig = field(default_factory=TapirConfig)
    superglue: SuperGlueConfig = field(default_factory=SuperGlueConfig)
    lightglue: MatchingConfig = field(default_factory=MatchingConfig)
    cotracker: CoTrackerConfig = field(default_factory=CoTrackerConfig)
    cutie: CutieConfig = field(default_factory=CutieConfig)
    deaot: DeaotConfig = field(default_factory=DeaotConfig)
    dinov2: DinoV2Config = field(default_factory=DinoV2Config)
