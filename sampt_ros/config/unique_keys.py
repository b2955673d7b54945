"""YAML without duplicate keys: PyYAML would silently use the last one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml

from sampt_ros.errors import ConfigError

# What PyYAML raises for a scalar that looks like another type but is none: 2024-13-45, !!bool maybe; for deep nesting.
_UNCONVERTED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class UniqueKeyLoader(yaml.SafeLoader):
    """A loader for yaml.load that raises yaml.YAMLError for duplicate keys, with the key and its line."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = [key for key, count in keys.items() if count > 1]
        if twice:
            raise yaml.constructor.ConstructorError(
                None,
                None,
                f"expected each key once; got {twice[0]!r} {keys[twice[0]]} times (several values are a list)",
                node.start_mark,
            )
        return super().construct_mapping(node, deep)


def read_yaml(text: str, loader: type[UniqueKeyLoader] = UniqueKeyLoader) -> Any:
    """The content of YAML that people wrote; raises ConfigError, with the reason, if it is none."""
    try:
        return yaml.load(text, loader)
    except yaml.YAMLError as error:
        raise ConfigError(str(error)) from None
    except _UNCONVERTED as error:
        raise ConfigError(f"a value cannot be read ({str(error) or type(error).__name__})") from None
