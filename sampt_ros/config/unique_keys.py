"""YAML without duplicate keys: PyYAML would silently use the last one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml


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
