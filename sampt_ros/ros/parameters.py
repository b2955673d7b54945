"""A node's parameters, declared from its settings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.exceptions import InvalidParameterValueException

from sampt_ros.config.live import Settings
from sampt_ros.config.options import Option, walk
from sampt_ros.errors import SamPtError
from sampt_ros.ros.conversions import parameter_descriptor


def declare(node: Any, settings: Settings) -> None:
    """Declare all parameters; a bad value given at start is kept in `settings.bad`, and fails the configuration."""
    _declare(node, settings, walk(settings.node))
    settings.load_preset()
    _declare(node, settings, walk(settings.core))


def _declare(node: Any, settings: Settings, options: Iterable[tuple[str, Any, Option]]) -> None:
    for name, value, option in options:
        descriptor = parameter_descriptor(option, value)
        descriptor.dynamic_typing = True  # 2 will do for 2.0: the settings check the types
        try:
            node.declare_parameter(name, value, descriptor)
            settings.change({name: node.get_parameter(name).value})
        except (InvalidParameterValueException, SamPtError) as error:
            settings.bad[name] = str(error)
        if not node.has_parameter(name):
            node.declare_parameter(name, value, descriptor, ignore_override=True)
