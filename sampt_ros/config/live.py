"""The parameters of a running node: its own and those of the core, in one namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.node import NodeConfig
from sampt_ros.config.options import require_live_change, updated, walk
from sampt_ros.config.presets import load_preset
from sampt_ros.errors import ConfigError


class Settings:
    """Holds a NodeConfig and a SamPtConfig; a change applies to both or to neither.

    bad  error messages of bad values given at start, by parameter name; a good value removes its entry
    """

    def __init__(self) -> None:
        self.node = NodeConfig()
        self.core = SamPtConfig()
        self.bad: dict[str, str] = {}

    def load_preset(self) -> None:
        """Set the core's parameters to those of the preset that `node.preset` names."""
        try:
            self.core = load_preset(self.node.preset)
        except ConfigError as error:
            self.bad["preset"] = str(error)
            self.core = load_preset()

    @property
    def names(self) -> set[str]:
        """The dotted names of all parameters."""
        return {name for config in (self.node, self.core) for name, _, _ in walk(config)}

    def change(self, changes: Mapping[str, Any], running: bool = False) -> None:
        """Set parameters by dotted name; raises ConfigError without changing anything.

        running: whether models are loaded, so that only live parameters may change
        """
        own = {name for name, _, _ in walk(self.node)}
        node = updated(self.node, {name: value for name, value in changes.items() if name in own})
        core = updated(self.core, {name: value for name, value in changes.items() if name not in own})
        if running:
            require_live_change(self.node, node)
            require_live_change(self.core, core)
        self.node, self.core = node, core
        for name in changes:
            self.bad.pop(name, None)

    def require_good(self) -> None:
        """Raise ConfigError if a value given at start was refused."""
        if self.bad:
            raise ConfigError("; ".join(self.bad.values()))
