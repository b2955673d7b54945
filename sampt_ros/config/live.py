"""All parameters of a running node: the node's own and the core's, under one set of names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.node import NodeConfig
from sampt_ros.config.options import require_live_change, updated, walk
from sampt_ros.config.presets import load_preset
from sampt_ros.errors import ConfigError


class Settings:
    """Holds a NodeConfig and a SamPtConfig that change together or not at all.

    bad  what is wrong with values given at start, by name; a good value takes the entry away
    """

    def __init__(self) -> None:
        self.node = NodeConfig()
        self.core = SamPtConfig()
        self.bad: dict[str, str] = {}

    def load_preset(self) -> None:
        """Take the core's defaults from the preset that `node.preset` names."""
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
        """Set parameters by dotted name; raises ConfigError, and then nothing has changed.

        running: models are loaded, so that only live parameters may change
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
