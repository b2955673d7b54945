"""The node's settings as ROS parameters."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterValueException
from rclpy.parameter import Parameter

from sampt_ros.config.live import Settings
from sampt_ros.config.options import Config, Option, walk
from sampt_ros.errors import SamPtError
from sampt_ros.ros.conversions import parameter_descriptor

_QOS = "qos_overrides."
_LIKE = 0.8  # least similarity of names that are compared without their groups, 0 to 1


class NodeParameters:
    """Declares a node's settings as its parameters, and applies changes to them.

    settings  the current values; bad values given at start are in `settings.bad`, and fail the configure transition
    """

    def __init__(self, node: Any, is_configured: Callable[[], bool], on_change: Callable[[], None]) -> None:
        """is_configured: whether models are loaded, so that only live parameters may change; on_change: callback."""
        self.settings = Settings()
        self._node, self._is_configured, self._on_change = node, is_configured, on_change
        self._declare(walk(self.settings.node))
        self.settings.load_preset()
        self._declare(walk(self.settings.core))
        node.add_on_set_parameters_callback(self._on_set)
        _warn_of_unknown(node, self.settings.names)

    def _declare(self, options: Iterable[tuple[str, Any, Option]]) -> None:
        for name, value, option in options:
            descriptor = parameter_descriptor(option, value)
            descriptor.dynamic_typing = True  # so that 2 is accepted for 2.0: the settings check the types
            try:
                self._node.declare_parameter(name, value, descriptor)
                self.settings.change({name: self._node.get_parameter(name).value})
            except (InvalidParameterValueException, SamPtError) as error:
                self.settings.bad[name] = str(error)
            if not self._node.has_parameter(name):
                self._node.declare_parameter(name, value, descriptor, ignore_override=True)

    def _on_set(self, parameters: list[Parameter[Any]]) -> SetParametersResult:
        ours = {item.name: item.value for item in parameters if item.name in self.settings.names}
        try:
            self.settings.change(ours, running=self._is_configured())
        except SamPtError as error:
            return SetParametersResult(successful=False, reason=str(error))
        self._on_change()
        return SetParametersResult(successful=True)


def declare_config(node: Any, kind: type[Config]) -> Config:
    """Declare all options of a config class as parameters, fixed at start; returns their values.

    Raises ConfigError for a bad value.
    """
    given: dict[str, Any] = {}
    for item in fields(kind):  # type: ignore[arg-type]
        descriptor = parameter_descriptor(item.metadata["option"], item.default)
        descriptor.dynamic_typing = True  # so that 15 is accepted for 15.0: the settings check the types
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        value = node.declare_parameter(item.name, default, descriptor).value
        given[item.name] = tuple(value) if isinstance(value, list | array) else value
    _warn_of_unknown(node, given)
    return kind(**given)


def _warn_of_unknown(node: Any, known: Iterable[str]) -> None:
    """Warn of values that were given at start for parameters that the node does not have, such as misspelt ones.

    known: names of the node's own parameters. It is no error: a file's parameters may be meant for several nodes.
    """
    # rclpy has no public way to ask for these; it declares those of QoS profiles with each publisher and subscription.
    given = getattr(node, "_parameter_overrides", {})
    unknown = [name for name in given if not node.has_parameter(name) and not name.startswith(_QOS)]
    if unknown:
        names = ", ".join(_with_nearest(name, list(known)) for name in sorted(unknown))
        node.get_logger().warning(f"expected parameters that this node has; ignored: {names}")


def _with_nearest(name: str, known: Sequence[str]) -> str:
    """An unknown name, and the known one that is most like it, with or without what stands before its last dot."""
    near = get_close_matches(name, known, 1)
    if not near:
        ends = {other.rpartition(".")[2]: other for other in known}
        near = [ends[end] for end in get_close_matches(name.rpartition(".")[2], ends, 1, cutoff=_LIKE)]
    return f"{name} (did you mean {near[0]}?)" if near else name
