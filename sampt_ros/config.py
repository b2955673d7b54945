"""Every parameter once: default, description, unit, allowed values.

YAML presets, ROS parameters, command-line flags and the README's tables are all made from these
dataclasses. Nested parameters have dotted names, such as `reinit.horizon`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from sampt_ros.errors import ConfigError
from sampt_ros.options import Option, Section, option

SELECTION = ("k_medoids", "shi_tomasi", "random", "mixed")


@dataclass(frozen=True)
class PointsConfig(Section):
    """How query points are drawn from a mask."""

    positive: int = option(8, "Points drawn on the object", minimum=1, maximum=256, live=True)
    negative: int = option(1, "Points drawn off the object", minimum=0, maximum=256, live=True)
    positive_method: str = option("k_medoids", "How points on the object are drawn", choices=SELECTION, live=True)
    negative_method: str = option("mixed", "How points off the object are drawn", choices=SELECTION, live=True)


@dataclass(frozen=True)
class VisibilityConfig(Section):
    """When a tracked point does not count in its frame."""

    border: float = option(
        0.01, "Points this near the border do not count", unit="share of the image", minimum=0, maximum=0.4, live=True
    )
    patch_similarity: bool = option(
        False, "Points whose 3x3 patch no longer resembles the query patch do not count", live=True
    )
    patch_difference: float = option(
        20.0,
        "Largest mean colour difference to the query patch",
        unit="CIE76 delta E",
        minimum=0,
        maximum=200,
        live=True,
    )


@dataclass(frozen=True)
class PromptingConfig(Section):
    """How points become a mask."""

    refinements: int = option(12, "Passes that refine the mask with its own box", minimum=0, maximum=50, live=True)
    iou_threshold: float = option(
        0.7, "A mask with a predicted IoU under this is not published", minimum=0, maximum=1, live=True
    )
    carry_mask: bool = option(
        False, "The last accepted mask, moved to this frame by the tracker, is a prompt", live=True
    )


@dataclass(frozen=True)
class ReinitConfig(Section):
    """When fresh points are drawn, and from which mask."""

    policy: str = option(
        "horizon",
        "Which mask fresh points are drawn from",
        choices=("never", "horizon", "median_area", "similar_area", "similar_area_together"),
    )
    horizon: int = option(8, "Fresh points are drawn every so many frames", unit="frames", minimum=1, maximum=256)


@dataclass(frozen=True)
class ReacquireConfig(Section):
    """How lost objects are found again."""

    enabled: bool = option(True, "Lost objects are looked for in the whole image, by what they looked like")
    exemplars: int = option(6, "Frames in which an object's looks are remembered", minimum=2, maximum=32)
    gap: int = option(
        16, "Looks are remembered every so many frames, at first more often", unit="frames", minimum=1, maximum=1000
    )
    drift: float = option(
        0.25,
        "A mask that resembles the object less has drifted onto something else: the object is lost",
        unit="share of what its own masks do",
        minimum=0,
        maximum=1,
    )
    resemblance: float = option(
        0.5,
        "What resembles a lost object less is not it",
        unit="share of what its own masks do",
        minimum=0,
        maximum=1,
    )
    reference_resemblance: float = option(
        0.75,
        "Likewise while an object is known from a picture alone",
        unit="share of what the picture's own mask does",
        minimum=0,
        maximum=1,
    )
    size_change: float = option(
        3.0, "A mask that is so much larger or smaller than the object's were is not it", minimum=1, maximum=100
    )
    patience: int = option(
        3,
        "An object whose masks are refused is looked for after so many frames",
        unit="frames",
        minimum=1,
        maximum=1000,
    )


def _precision(of: str = "networks", auto: str = "bfloat16") -> str:
    return option(
        "auto",
        f"Numbers of the {of}; auto: {auto} on a GPU that has it, else float32",
        choices=("auto", "float32", "bfloat16", "float16"),
    )


def _compile() -> bool:
    return option(False, "Compile the image encoder with torch.compile when configured: a slow start, faster frames")


@dataclass(frozen=True)
class SamConfig(Section):
    """Segment Anything (segmenter `sam`)."""

    model: str = option("vit_b", "Architecture of the checkpoint", choices=("vit_b", "vit_l", "vit_h"))
    checkpoint: str = option("", "Path of the checkpoint file (.pth); empty: the fetched one")
    precision: str = _precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class MobileSamConfig(Section):
    """MobileSAM (segmenter `mobile_sam`)."""

    checkpoint: str = option("", "Path of the checkpoint file (.pt); empty: the fetched one")
    precision: str = _precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class SamHqConfig(Section):
    """Segment Anything in High Quality (segmenter `sam_hq`)."""

    model: str = option("vit_h", "Architecture of the checkpoint", choices=("vit_b", "vit_l", "vit_h"))
    checkpoint: str = option("", "Path of the checkpoint file (.pth); empty: the fetched one")
    precision: str = _precision()
    compile: bool = _compile()


@dataclass(frozen=True)
class NanoConfig(Section):
    """The small network whose weights are in the package (segmenter `nano`)."""

    checkpoint: str = option("", "Path of other weights (.safetensors); empty: the package's own")
    window: int = option(
        256,
        "The object's surroundings are scaled to this side, a multiple of 32",
        unit="pixels",
        minimum=96,
        maximum=1024,
    )
    budget: int = option(
        131_072,
        "Where the objects' surroundings would have more in all, they are scaled to 224, 192, 160 or 128 instead",
        unit="pixels a frame",
        minimum=9216,
    )
    margin: float = option(1.6, "Side of the surroundings", unit="times the mask's longer side", minimum=1, maximum=4)
    memories: int = option(4, "Frames in which it remembers an object, the first one among them", minimum=1, maximum=32)
    memory_gap: int = option(5, "A frame is remembered every so many frames", unit="frames", minimum=1, maximum=1000)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 32:
            raise ConfigError(f"window: expected a multiple of 32, got {self.window}")


@dataclass(frozen=True)
class GrabCutConfig(Section):
    """GrabCut (segmenter `grabcut`); lengths are relative to the square root of the object's area."""

    work_size: int = option(
        160, "The object's surroundings are scaled down to this side", unit="pixels", minimum=32, maximum=1000
    )
    margin: float = option(0.35, "Surroundings on every side", unit="share of the box", minimum=0.05, maximum=2)
    band: float = option(
        0.3, "Nothing is added farther outside the carried mask", unit="share of the size", minimum=0.01, maximum=2
    )
    contour_sigma: float = option(
        0.06, "How uncertain the carried contour is", unit="share of the size", minimum=0.001, maximum=1
    )
    color_weight: float = option(0.7, "Weight of colour against the carried shape", minimum=0, maximum=10)
    smallest_part: float = option(
        1.0,
        "Of a mask in separate parts, those smaller than this are dropped",
        unit="share of the largest part",
        minimum=0,
        maximum=1,
    )


def _max_error(default: float) -> Any:
    """For trackers that follow each point there and back."""
    description = "A point that does not come back this near its start is not visible"
    return option(default, description, unit="pixels", minimum=0.01, maximum=100)


def _flow_size(default: int, minimum: int) -> Any:
    """For trackers by dense flow, as is `_carry_size`."""
    description = "The image is scaled down to this longest side for the points' flow"
    return option(default, description, unit="pixels", minimum=minimum, maximum=4000)


def _carry_size(default: int) -> Any:
    description = "Surroundings of a carried mask are scaled down to this side"
    return option(default, description, unit="pixels", minimum=32, maximum=1000)


@dataclass(frozen=True)
class LucasKanadeConfig(Section):
    """Pyramidal Lucas-Kanade (tracker `lucas_kanade`)."""

    window: int = option(21, "Side of the matched window", unit="pixels", minimum=5, maximum=101)
    levels: int = option(4, "Pyramid levels above full resolution", minimum=0, maximum=8)
    max_error: float = _max_error(1.5)


@dataclass(frozen=True)
class DisFlowConfig(Section):
    """Dense inverse search optical flow (tracker `dis_flow`)."""

    preset: str = option("fast", "Speed against accuracy", choices=("ultrafast", "fast", "medium"))
    size: int = _flow_size(480, minimum=96)
    carry_size: int = _carry_size(240)
    max_error: float = _max_error(3.0)


@dataclass(frozen=True)
class RaftConfig(Section):
    """Recurrent all-pairs field transforms, dense optical flow by a network (tracker `raft`)."""

    model: str = option("small", "Architecture of the checkpoint", choices=("small", "large"))
    checkpoint: str = option("", "Path of the checkpoint file (.pth); empty: the fetched one")
    iterations: int = option(12, "Times that the flow is refined", minimum=1, maximum=50)
    size: int = _flow_size(512, minimum=128)
    carry_size: int = _carry_size(256)
    max_error: float = _max_error(3.0)


@dataclass(frozen=True)
class PipsConfig(Section):
    """Persistent independent particles (tracker `pips`)."""

    checkpoint: str = option("", "Path of the checkpoint file (.pth); empty: the fetched one")
    iterations: int = option(6, "Times that a window's trajectory is refined", minimum=1, maximum=20)
    precision: str = _precision("layers that move points", "float16")  # as exact as tf32


@dataclass(frozen=True)
class SamPtConfig(Section):
    """The whole core; the defaults are the paper's SAM-PT settings."""

    segmenter: str = option(
        "sam", "What turns points into masks", choices=("sam", "sam_hq", "mobile_sam", "nano", "grabcut")
    )
    point_tracker: str = option(
        "lucas_kanade", "What carries points", choices=("lucas_kanade", "dis_flow", "raft", "pips")
    )
    device: str = option("auto", "Where networks run; auto is cuda where there is one", choices=("auto", "cpu", "cuda"))
    seed: int = option(0, "Seed of the drawn points: a run repeats exactly", minimum=0)
    max_objects: int = option(16, "A query for one more is refused", minimum=1, maximum=1000, live=True)
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


def walk(config: Section, prefix: str = "") -> Iterator[tuple[str, Any, Option]]:
    """Yield (dotted name, value, Option) of every parameter."""
    for item in fields(config):  # type: ignore[arg-type]
        value = getattr(config, item.name)
        if is_dataclass(value):
            yield from walk(value, f"{prefix}{item.name}.")  # type: ignore[arg-type]
        else:
            yield prefix + item.name, value, item.metadata["option"]


def updated(config: Any, changes: Mapping[str, Any], prefix: str = "") -> Any:
    """A copy of `config` with `changes`: dotted names, or nested mappings as in YAML.

    Raises ConfigError for an unknown name (with the known ones) or a bad value.
    """
    known = {item.name: getattr(config, item.name) for item in fields(config)}
    direct: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        head, _, rest = str(name).partition(".")
        is_section = is_dataclass(known.get(head))
        if head not in known or (bool(rest) != is_section and not (is_section and isinstance(value, Mapping))):
            expected = ", ".join(name for name, _, _ in walk(config))
            raise ConfigError(f"unknown parameter {prefix}{name}; expected one of {prefix}[{expected}]")
        if is_section:
            nested.setdefault(head, {}).update({rest: value} if rest else value)
        else:
            direct[head] = value
    for head, inner in nested.items():
        direct[head] = updated(known[head], inner, f"{prefix}{head}.")
    try:
        return dataclasses.replace(config, **direct)
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def require_live_change(old: Section, new: Section) -> None:
    """Raise ConfigError if `new` differs from `old` in parameters that cannot change while running."""
    fixed = [name for (name, was, limits), (_, now, _) in zip(walk(old), walk(new)) if was != now and not limits.live]
    if fixed:
        raise ConfigError(f"{', '.join(fixed)}: cannot change while running")


def presets_folder() -> Path:
    """Where the preset files are: beside the sources, or in the install prefix's share folder."""
    package = Path(__file__).resolve().parent
    for folder in (package.parent / "config", *(up / "share/sampt_ros/config" for up in package.parents)):
        if (folder / "default.yaml").is_file():
            return folder
    raise ConfigError(f"no preset folder found beside {package} nor in a share/sampt_ros/config above it")


def preset_names() -> list[str]:
    """The names that load_preset takes."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))


def load_preset(name: str = "default", changes: Mapping[str, Any] | None = None) -> SamPtConfig:
    """The preset `name` (a name, or the path of a YAML file) with `changes` on top.

    Raises ConfigError if there is no such preset or it holds something unknown.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if name not in preset_names():
            raise ConfigError(f"unknown preset {name!r}; expected one of {', '.join(preset_names())}, or a .yaml file")
        path = presets_folder() / f"{name}.yaml"
    try:
        content = yaml.safe_load(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"cannot read preset {path}: {error}") from None
    if not isinstance(content, Mapping):
        raise ConfigError(f"preset {path}: expected a mapping of parameters, got {type(content).__name__}")
    return updated(updated(SamPtConfig(), content), changes or {})
