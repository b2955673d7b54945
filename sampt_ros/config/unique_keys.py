"""YAML in which no key comes twice: of two equal ones the last one alone would count."""

from __future__ import annotations

from collections import Counter
from typing import Any

import yaml


class UniqueKeyLoader(yaml.SafeLoader):
    """What yaml.load takes for it; raises yaml.YAMLError, naming the key and its line."""

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
