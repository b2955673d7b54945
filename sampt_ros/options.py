"""One parameter: its default, description, unit and allowed values; and a group of them that checks itself."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

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
