"""Presets: named YAML files of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.options import updated
from sampt_ros.config.unique_keys import read_yaml
from sampt_ros.errors import ConfigError


def presets_folder() -> Path:
    """The folder of the preset files: beside the sources, or in the install prefix's share folder.

    Raises ConfigError if there is none.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package.parent / "config", *(up / "share/sampt_ros/config" for up in package.parents)):
        if (folder / "default.yaml").is_file():
            return folder
    raise ConfigError(f"no preset folder found beside {package} nor in a share/sampt_ros/config above it")


def preset_names() -> list[str]:
    """The names that `load_preset` accepts."""
    return sorted(path.stem for path in presets_folder().glob("*.yaml"))


def is_preset_file(name: str) -> bool:
    """Whether a preset's name is the path of a YAML file, by its suffix, and not that of a preset of `preset_names`."""
    return Path(name).suffix in (".yaml", ".yml")


def load_preset(name: str = "default", changes: Mapping[str, Any] | None = None) -> SamPtConfig:
    """The preset `name` (a name, or the path of a YAML file) with `changes` on top.

    Raises ConfigError if there is no such preset, or if it has an unknown parameter or a bad value.
    """
    if "://" in name:
        raise ConfigError(f"preset: expected a name, or the path of a .yaml file; got the address {name}")
    path = Path(name)
    if not is_preset_file(name):
        if name not in preset_names():
            raise ConfigError(f"unknown preset {name!r}; expected one of {', '.join(preset_names())}, or a .yaml file")
        path = presets_folder() / f"{name}.yaml"
    try:
        content = read_yaml(path.read_text()) or {}
    except (OSError, UnicodeDecodeError, ConfigError) as error:
        raise ConfigError(f"cannot read preset {path}: {error}") from None
    if not isinstance(content, Mapping):
        raise ConfigError(f"preset {path}: expected a mapping of parameters, got {type(content).__name__}")
    return updated(updated(SamPtConfig(), content), changes or {})
