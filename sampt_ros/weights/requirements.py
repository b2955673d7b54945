"""What the parts that a configuration names need besides the core: packages, and published weights."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.descriptors import OF_SEGMENTER
from sampt_ros.config.mask_propagators import NONE
from sampt_ros.config.options import walk
from sampt_ros.errors import CheckpointError
from sampt_ros.weights import registry
from sampt_ros.weights.packages import COTRACKER, DEAOT, install_extras
from sampt_ros.weights.random_weights import are_random

# Parameters whose default, "", stands for the weights in the package.
_SHIPPED = {"nano.checkpoint", "nano.click_checkpoint"}
# The packages that a part needs; the extra is named after the part, except for those in _EXTRAS.
_PACKAGES = {
    "sam": ("torch", "segment_anything", "torchvision"),
    "sam_hq": ("torch", "segment_anything_hq", "timm", "torchvision"),
    "mobile_sam": ("torch", "mobile_sam", "timm", "torchvision"),
    "sam2": ("torch", "transformers"),
    "edgetam": ("torch", "transformers", "timm", "torchvision"),
    "seggpt": ("torch", "transformers"),
    "raft": ("torch", "torchvision"),
    "pips": ("torch",),
    "tapir": ("torch",),
    "superglue": ("torch", "transformers"),
    "lightglue": ("torch", "transformers"),
    "cutie": ("torch", "cutie"),
    "dinov2": ("torch", "transformers"),
    "deaot": ("torch", "aot"),
    "cotracker": ("torch", "cotracker"),
}
_EXTRAS = {"dinov2": "dino", "pips": "torch", "tapir": "torch"}
_BY_HAND = {"cotracker": COTRACKER, "deaot": DEAOT}  # parts without an extra


@dataclass(frozen=True)
class Missing:
    """What the parts of a configuration need and what is not there.

    problems  each in words
    advice    what to do about all of them
    """

    problems: tuple[str, ...]
    advice: str

    def __str__(self) -> str:
        return f"{'; '.join(self.problems)} -> {self.advice}"


def missing(config: SamPtConfig) -> Missing:
    """What the configured parts need and what is not there; raises CheckpointError without pooch, for the weights."""
    lacking = {part: [name for name in _PACKAGES.get(part, ()) if not is_installed(name)] for part in parts(config)}
    extras = list(dict.fromkeys(_EXTRAS.get(part, part) for part, packages in lacking.items() if packages))
    absent = dict.fromkeys(name for packages in lacking.values() for name in packages)
    problems = [f"needs package {name}" for name in absent]
    advice = [command for part, command in _BY_HAND.items() if part in extras]
    if offered := [part for part in extras if part not in _BY_HAND]:
        advice.append(install_extras(*offered))
    unset: list[str] = []
    fetchable: list[registry.Model] = []
    for parameter, value, published in _missing_weights(config):
        unset.append(parameter)
        if published:
            fetchable.append(published)
            problems.append(f"needs weights {published.name}")
        else:
            problems.append(f"no weights at {value}" if value else "needs weights")
    if fetchable:
        advice.append(registry.advice(*fetchable))
    by_hand = f"set {' and '.join(unset)} to {'their files' if len(unset) > 1 else 'its file'}"
    told = "; then ".join(advice) + ("; or " if advice and unset else "") + (by_hand if unset else "")
    return Missing(tuple(problems), told)


def require_all(config: SamPtConfig) -> None:
    """Raise CheckpointError where more than one thing is missing: what a part says as it is built is only the first."""
    try:
        found = missing(config)
    except CheckpointError:  # The part that needs the folder of weights says it best.
        return
    if len(found.problems) > 1:
        raise CheckpointError(f"{' + '.join(parts(config))}: {found}")


def restrictions(config: SamPtConfig) -> list[str]:
    """The restrictions in the licences of the configured weights."""
    models = (registry.for_option(parameter, architecture) for parameter, _, architecture in _checkpoints(config))
    return [model.warning for model in models if model and model.warning]


def parts(config: SamPtConfig) -> list[str]:
    """The names of the configured parts: segmenter, point tracker, and others if there are any."""
    named = (config.segmenter, config.point_tracker, config.mask_propagator, config.one_shot, config.descriptor)
    return [part for part in dict.fromkeys(named) if part not in (NONE, OF_SEGMENTER)]


def is_installed(name: str) -> bool:
    """Whether a module can be found; it is not imported, but its parent packages are.

    A folder of that name without modules, such as this project's `launch`, does not count.
    """
    try:
        spec = importlib.util.find_spec(name)
        return spec is not None and spec.origin is not None
    except (ImportError, ValueError):  # no parent package; a module without a spec
        return False


def _missing_weights(config: SamPtConfig) -> list[tuple[str, str, registry.Model | None]]:
    """(parameter, value, published weights if it is empty) of the weights whose file is not there."""
    if config.random_weights or are_random():
        return []
    absent = []
    for parameter, value, architecture in _checkpoints(config):
        published = None if value else registry.for_option(parameter, architecture)
        path = registry.path(published) if published else Path(value).expanduser()
        if not path.is_file():
            absent.append((parameter, value, published))
    return absent


def _checkpoints(config: SamPtConfig) -> list[tuple[str, str, str]]:
    """(parameter, value, architecture) of the weights that the configured parts load."""
    values = {name: value for name, value, _ in walk(config)}
    found = [(f"{part}.checkpoint", values.get(f"{part}.model", part)) for part in parts(config)]
    return [
        (name, values[name], architecture)
        for name, architecture in found
        if name in values and (values[name] or name not in _SHIPPED)
    ]
