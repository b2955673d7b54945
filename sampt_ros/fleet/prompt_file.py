"""One file that says of many recordings what to track in each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from sampt_ros.errors import ConfigError
from sampt_ros.fleet.remote_files import is_remote

_START = "start"
_TEXT = "tag:yaml.org,2002:str"


class PromptFile:
    """The options of `sampt track` or `sampt bag` for each recording, by its name or a pattern of names.

        cups:
          point: ["320,240", "500,260,0"]          # as --point 320,240 --point 500,260,0
        kitchen_*:
          - {box: [40, 60, 180, 220]}              # numbers alone are one value
          - {start: 120, point: "500,260,1,2"}     # in frame 120
        "*":
          masks: Annotations/{name}                # {name} is the recording's
          truth: Annotations/{name}

    A recording's own name goes before patterns, and of these the first that fits counts.
    """

    def __init__(self, path: Path, path_options: Collection[str]) -> None:
        """Read it; raises ConfigError if it cannot be read or is of another form.

        path_options  the options whose values are files or folders; a relative one counts from this file's folder
        """
        self._path, self._path_options = path, path_options
        try:
            content = _content(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"cannot read the prompt file {path}: {error}") from None
        if not isinstance(content, Mapping):
            raise ConfigError(
                f"{path}: expected names of recordings with the options of each; got {type(content).__name__}"
            )
        self._entries = {str(key): self._arguments(str(key), entry) for key, entry in content.items()}

    def arguments(self, name: str) -> tuple[str, ...]:
        """The options for a recording as the command line has them; empty if nothing is said of it."""
        keys = [name, *self._entries]
        key = next((key for key in keys if key in self._entries and (key == name or fnmatchcase(name, key))), None)
        return () if key is None else with_name(self._entries[key], name)

    def unused(self, names: Iterable[str]) -> list[str]:
        """The entries that are of none of these recordings."""
        known = list(names)
        return [key for key in self._entries if not any(key == name or fnmatchcase(name, key) for name in known)]

    def _arguments(self, key: str, entry: Any) -> tuple[str, ...]:
        groups = entry if isinstance(entry, list) else [entry]
        if not all(isinstance(group, Mapping) for group in groups):
            raise ConfigError(f"{self._path}: {key}: expected options, such as point: '320,240'; got {entry!r}")
        arguments = []
        for group in groups:
            if len(groups) > 1 or _START in group:
                arguments.append(f"--{_START}={group.get(_START, 0)}")  # It holds until the next one.
            for option, value in group.items():
                if option != _START:
                    arguments += [
                        f"--{option}" if each is True else f"--{option}={self._text(option, each)}"
                        for each in _values(value)
                    ]
        return tuple(arguments)

    def _text(self, option: str, value: Any) -> str:
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        is_relative = option in self._path_options and not is_remote(text) and not Path(text).is_absolute()
        return str((self._path.parent / text).resolve()) if is_relative else text


def _content(text: str) -> Any:
    """What YAML holds, but names of recordings as they are written: 007 is no number. Raises YAMLError."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return {}
    if isinstance(root, yaml.MappingNode):
        names = [key.value for key, _ in root.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"expected each name once; got {twice} twice")
        for key, _ in root.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = _TEXT
    return yaml.SafeLoader("").construct_document(root)


def with_name(arguments: Sequence[str], name: str) -> tuple[str, ...]:
    """Arguments with a recording's name in place of {name}."""
    return tuple(argument.replace("{name}", name) for argument in arguments)


def _values(value: Any) -> list[Any]:
    """The values of an option, each to be given by itself: numbers alone are one value, `false` is none."""
    if value is False or value is None:
        return []
    is_list = isinstance(value, list) and not all(isinstance(each, (int, float)) for each in value)
    return list(value) if is_list else [value]
