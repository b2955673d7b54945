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


@dataclass(frozen=True)
class Option:
    """What may be said about one parameter besides its default."""

    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    live: bool = False  # may change while running
    fixed: bool = False  # may be set at start only

    def check(self, name: str, value: Any, kind: type) -> Any:
        """Return `value` as `kind`; raise ConfigError with what is allowed if it cannot be."""
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind:
            raise ConfigError(f"{name}: expected {kind.__name__}, got {value!r} ({type(value).__name__})")
        if self.choices and value not in self.choices:
            raise ConfigError(f"{name}: expected one of {', '.join(self.choices)}, got {value!r}")
        number: Any = value
        below = self.minimum is not None and not number >= self.minimum  # NaN too
        above = self.maximum is not None and not number <= self.maximum
        if below or above:
            raise ConfigError(f"{name}: expected {self.range()}, got {value!r}")
        return value

    def range(self) -> str:
        """The allowed values in words, empty if anything goes."""
        if self.choices:
            return ", ".join(self.choices)
        low = "" if self.minimum is None else f"{self.minimum:g}"
        high = "" if self.maximum is None else f"{self.maximum:g}"
        if low and high:
            return f"{low} to {high}"
        return f"at least {low}" if low else f"at most {high}" if high else ""


def option(default: Any, description: str, **limits: Any) -> Any:
    """A dataclass field that knows its own description and bounds (see Option)."""
    return field(default=default, metadata={"option": Option(description, **limits)})


class Section:
    """Base of all groups of options: checks every value when it is made."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            limits = item.metadata.get("option")
            if limits is not None:
                value = limits.check(item.name, getattr(self, item.name), type(item.default))
                object.__setattr__(self, item.name, value)  # an int given for a float


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
class SamConfig(Section):
    """Segment Anything (segmenter `sam`)."""

    model: str = option("vit_b", "Architecture of the checkpoint", choices=("vit_b", "vit_l", "vit_h"))
    checkpoint: str = option("", "Path of the checkpoint file (.pth)")


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


@dataclass(frozen=True)
class LucasKanadeConfig(Section):
    """Pyramidal Lucas-Kanade (tracker `lucas_kanade`)."""

    window: int = option(21, "Side of the matched window", unit="pixels", minimum=5, maximum=101)
    levels: int = option(4, "Pyramid levels above full resolution", minimum=0, maximum=8)
    max_error: float = option(
        1.5,
        "A point that does not come back this near its start is not visible",
        unit="pixels",
        minimum=0.01,
        maximum=100,
    )


@dataclass(frozen=True)
class DisFlowConfig(Section):
    """Dense inverse search optical flow (tracker `dis_flow`)."""

    preset: str = option("fast", "Speed against accuracy", choices=("ultrafast", "fast", "medium"))
    size: int = option(
        480,
        "The image is scaled down to this longest side for the points' flow",
        unit="pixels",
        minimum=96,
        maximum=4000,
    )
    carry_size: int = option(
        240, "Surroundings of a carried mask are scaled down to this side", unit="pixels", minimum=32, maximum=1000
    )
    max_error: float = option(
        3.0,
        "A point that does not come back this near its start is not visible",
        unit="pixels",
        minimum=0.01,
        maximum=100,
    )


@dataclass(frozen=True)
class PipsConfig(Section):
    """Persistent independent particles (tracker `pips`)."""

    checkpoint: str = option("", "Path of the checkpoint file (.pth)")
    iterations: int = option(6, "Times that a window's trajectory is refined", minimum=1, maximum=20)


@dataclass(frozen=True)
class SamPtConfig(Section):
    """The whole core; the defaults are the paper's SAM-PT settings."""

    segmenter: str = option("sam", "What turns points into masks", choices=("sam", "grabcut"))
    point_tracker: str = option("lucas_kanade", "What carries points", choices=("lucas_kanade", "dis_flow", "pips"))
    device: str = option("auto", "Where networks run; auto is cuda where there is one", choices=("auto", "cpu", "cuda"))
    seed: int = option(0, "Seed of the drawn points: a run repeats exactly", minimum=0)
    max_objects: int = option(16, "A query for one more is refused", minimum=1, maximum=1000, live=True)
    points: PointsConfig = field(default_factory=PointsConfig)
    visibility: VisibilityConfig = field(default_factory=VisibilityConfig)
    prompting: PromptingConfig = field(default_factory=PromptingConfig)
    reinit: ReinitConfig = field(default_factory=ReinitConfig)
    sam: SamConfig = field(default_factory=SamConfig)
    grabcut: GrabCutConfig = field(default_factory=GrabCutConfig)
    lucas_kanade: LucasKanadeConfig = field(default_factory=LucasKanadeConfig)
    dis_flow: DisFlowConfig = field(default_factory=DisFlowConfig)
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
