"""Reads a file that says what to track in each of many recordings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from sampt_ros.config.unique_keys import UniqueKeyLoader, read_yaml
from sampt_ros.errors import ConfigError
from sampt_ros.fleet import paths
from sampt_ros.weights import git_lfs

_START = "start"
_OUT = "out"

_INTEGER, _TIME, _TEXT, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("int", "timestamp", "str", "merge"))


class _Loader(UniqueKeyLoader):
    """YAML in which names stay as they are written; standard YAML reads 0012 as the number 10, and `on` as true."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                key.tag = _TEXT
        return super().construct_mapping(node, deep)


def _as_written(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    """An integer if it is written as Python writes it, otherwise the text."""
    text = str(node.value)
    return int(text) if text.removeprefix("-").isdecimal() and str(int(text)) == text else text


_Loader.add_constructor(_INTEGER, _as_written)
_Loader.add_constructor(_TIME, _as_written)


class PromptFile:
    """The options of `sampt track` or `sampt bag` for each recording, by its name or by a pattern of names.

        cups:
          point: ["320,240", "500,260,0"]          # as --point 320,240 --point 500,260,0
        kitchen_*:
          - {box: [40, 60, 180, 220]}              # numbers alone are one value
          - {start: 120, point: "500,260,1,2"}     # in frame 120
        "*":
          masks: Annotations/{name}                # {name} is the recording's name
          truth: Annotations/{name}

    An entry with a recording's own name takes precedence over patterns; of these, the first that matches counts.
    """

    def __init__(self, path: Path, is_path: Callable[[str, str], bool]) -> None:
        """Read the file, which may be a pipe; raises ConfigError if it cannot be read or has the wrong form.

        is_path  whether the value of an option, of these two texts, is a file or folder: relative ones are relative to
                 this file's folder, or to the working folder if this file is a pipe or standard input
        """
        self._path, self._is_path = path, is_path
        try:
            self._folder = Path() if path.is_fifo() or _is_open_file(path) else path.parent
            text = path.read_text("utf-8-sig")  # A pipe can be read only once.
            if git_lfs.is_pointer(text.encode()):
                raise ConfigError(git_lfs.POINTER)
            content = read_yaml(text, _Loader) or {}
        except (OSError, UnicodeDecodeError, ConfigError) as error:
            raise ConfigError(f"cannot read the prompt file {path}: {error}") from None
        if not isinstance(content, Mapping):
            raise ConfigError(
                f"{path}: expected names of recordings with the options of each; got {type(content).__name__}"
            )
        self._entries = {str(key): self._arguments(str(key), entry) for key, entry in content.items()}

    def arguments(self, name: str) -> tuple[str, ...]:
        """The options for a recording, as on the command line; empty if there is no entry for it."""
        keys = [name, *self._entries]
        key = next((key for key in keys if key in self._entries and (key == name or fnmatchcase(name, key))), None)
        return () if key is None else with_name(self._entries[key], name)

    def unused(self, names: Iterable[str]) -> list[str]:
        """The entries that match none of these recordings."""
        known = list(names)
        return [key for key in self._entries if not any(key == name or fnmatchcase(name, key) for name in known)]

    def _arguments(self, key: str, entry: Any) -> tuple[str, ...]:
        groups = entry if isinstance(entry, list) else [entry]
        if not all(isinstance(group, Mapping) for group in groups):
            raise ConfigError(f"{self._path}: {key}: expected options, such as point: '320,240'; got {entry!r}")
        if any(_OUT in group for group in groups):
            raise ConfigError(f"{self._path}: {key}: expected options except {_OUT}: --out says where results go")
        arguments = []
        for group in groups:
            if len(groups) > 1 or _START in group:
                arguments.append(f"--{_START}={group.get(_START, 0)}")  # It applies to all options up to the next one.
            for option, value in group.items():
                if option != _START:
                    arguments += [
                        f"--{option}" if each is True else f"--{option}={self._text(option, each)}"
                        for each in _values(value)
                    ]
        return tuple(arguments)

    def _text(self, option: str, value: Any) -> str:
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        if not self._is_path(option, text):
            return text
        if not text.strip():
            raise ConfigError(f"{self._path}: {option}: expected a file or folder; got {text!r}")
        return text if Path(text).is_absolute() else paths.absolute(text, self._folder)


def _is_open_file(path: Path) -> bool:
    """Whether a path is one of a process's open files, such as standard input, which has no folder of its own."""
    return path.parent in (Path("/dev"), Path("/dev/fd")) or path.match("/proc/*/fd/*")


def with_name(arguments: Sequence[str], name: str) -> tuple[str, ...]:
    """Arguments in which {name} is replaced by a recording's name."""
    return tuple(argument.replace("{name}", name) for argument in arguments)


def _values(value: Any) -> list[Any]:
    """The values of an option, which is repeated for each: a list of numbers is one value, `false` is none."""
    if value is False or value is None:
        return []
    is_list = isinstance(value, list) and not all(isinstance(each, (int, float)) for each in value)
    return list(value) if is_list else [value]
