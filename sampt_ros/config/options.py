"""Declaration of parameters (default, description, unit, allowed values), and validated groups of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from sampt_ros.errors import ConfigError


@dataclass(frozen=True)
class Option:
    """The properties of a parameter besides its default."""

    description: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    unit: str = ""
    live: bool = False  # It can change while running.
    fixed: bool = False  # It can be set at start only.

    def check(self, name: str, value: Any, kind: type) -> Any:
        """Return `value` as `kind`; raises ConfigError, with the allowed values, if it is not valid."""
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
        """The allowed values in words; empty if there is no restriction."""
        if self.choices:
            return ", ".join(self.choices)
        low = "" if self.minimum is None else f"{self.minimum:g}"
        high = "" if self.maximum is None else f"{self.maximum:g}"
        if low and high:
            return f"{low} to {high}"
        return f"at least {low}" if low else f"at most {high}" if high else ""


Config = TypeVar("Config", bound="Section")
Entry = TypeVar("Entry")


def option(default: Any, description: str, **limits: Any) -> Any:
    """A dataclass field with a description and bounds (see Option)."""
    return field(default=default, metadata={"option": Option(description, **limits)})


def number_format(description: str) -> Any:
    """A parameter `precision`, for `torch_precision`."""
    return option("auto", description, choices=("auto", "float32", "bfloat16", "float16"))


def checkpoint_file(suffix: str) -> Any:
    """A parameter `checkpoint`, the path of a file with this suffix."""
    return option("", f"Path of the checkpoint file ({suffix}); empty: the one that `sampt models fetch` downloaded")


def chosen(table: Mapping[str, Entry], parameter: str, name: str, none: str = "") -> Entry:
    """The entry of a table that a parameter names; raises ConfigError, listing the choices.

    none: a further choice for the error message, such as "none", if the parameter has one
    """
    if name not in table:
        choices = ", ".join([none, *table] if none else table)
        raise ConfigError(f"{parameter}: expected one of {choices}, got {name!r}")
    return table[name]


class Section:
    """Base of all groups of options; validates every value on construction."""

    def __post_init__(self) -> None:
        for parameter in fields(self):  # type: ignore[arg-type]
            limits = parameter.metadata.get("option")
            if limits is not None:
                value = limits.check(parameter.name, getattr(self, parameter.name), type(parameter.default))
                object.__setattr__(self, parameter.name, value)  # An int may have become a float.


def walk(config: Section, prefix: str = "") -> Iterator[tuple[str, Any, Option]]:
    """Yield (dotted name, value, Option) of every parameter."""
    for parameter in fields(config):  # type: ignore[arg-type]
        value = getattr(config, parameter.name)
        if is_dataclass(value):
            yield from walk(value, f"{prefix}{parameter.name}.")  # type: ignore[arg-type]
        else:
            yield prefix + parameter.name, value, parameter.metadata["option"]


def updated(config: Config, changes: Mapping[str, Any], prefix: str = "") -> Config:
    """A copy of `config` with `changes`: dotted names, or nested mappings as in YAML.

    Raises ConfigError for an unknown name, listing the known ones, a bad value, a parameter that is given both dotted
    and nested, and a section without parameters.
    """
    known = {parameter.name: getattr(config, parameter.name) for parameter in fields(config)}  # type: ignore[arg-type]
    direct: dict[str, Any] = {}
    nested: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        head, _, rest = str(name).partition(".")
        is_section = is_dataclass(known.get(head))
        if is_section and not rest and value is None:
            expected = ", ".join(name for name, _, _ in walk(known[head]))
            raise ConfigError(f"{prefix}{head}: expected parameters of this section ({expected}); got none")
        if head not in known or (bool(rest) != is_section and not (is_section and isinstance(value, Mapping))):
            expected = ", ".join(name for name, _, _ in walk(config))
            raise ConfigError(f"unknown parameter {prefix}{name}; expected one of {prefix}[{expected}]")
        if is_section:
            inner = {rest: value} if rest else value
            section = nested.setdefault(head, {})
            if twice := sorted(section.keys() & inner.keys()):
                raise ConfigError(f"{prefix}{head}.{twice[0]}: expected each parameter once; got it dotted and nested")
            section.update(inner)
        else:
            direct[head] = value
    for head, inner in nested.items():
        direct[head] = updated(known[head], inner, f"{prefix}{head}.")
    try:
        return dataclasses.replace(config, **direct)  # type: ignore[type-var]
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def require_live_change(old: Section, new: Section) -> None:
    """Raise ConfigError if `new` differs from `old` in parameters that cannot change while running."""
    fixed = [name for (name, was, limits), (_, now, _) in zip(walk(old), walk(new)) if was != now and not limits.live]
    if fixed:
        raise ConfigError(f"{', '.join(fixed)}: cannot change while running")
