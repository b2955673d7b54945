"""Shared by the subcommands: adding commands, the configuration, prompts, argument types, JSON files."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampt_ros.cli.options.prompts import MASKS, PROMPT_OPTIONS, START, starts_in_order
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.presets import load_preset
from sampt_ros.config.unique_keys import read_yaml
from sampt_ros.errors import ConfigError
from sampt_ros.io.writing import writing
from sampt_ros.streaming.requests import ObjectStart


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, details: str
) -> argparse.ArgumentParser:
    """Add a command that calls `run` with the parsed arguments; `details` end its help text."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=textwrap.dedent(details).strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add --preset and --set."""
    argument = parser.add_argument
    argument("--preset", default="default", metavar="NAME", help="a preset, or a .yaml file (default: default)")
    argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter: reinit.horizon=16; repeatable"
    )


class Prompt(argparse.Action):
    """Appends option and value to `prompts`; their order matters, because --start applies to the prompts after it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.prompts = (*namespace.prompts, (self.dest, values))


def add_prompts(parser: argparse.ArgumentParser, masks: bool = False) -> None:
    """Add the PROMPT_OPTIONS, which `starts` reads; masks: whether to add --masks, too."""
    parser.set_defaults(prompts=())
    for option in PROMPT_OPTIONS:
        if masks or option.name != MASKS:
            parser.add_argument(
                f"--{option.name}",
                action=Prompt,
                default=argparse.SUPPRESS,
                type=frame_number if option.name == START else source if option.is_path else str,
                metavar=option.metavar,
                help=option.description,
            )


def has_prompts(parsed: argparse.Namespace) -> bool:
    """Whether the options say what to track."""
    return any(name != START for name, _ in parsed.prompts)


def starts(parsed: argparse.Namespace, frame_names: Sequence[str] = ()) -> dict[int, ObjectStart]:
    """The objects to start, by object id; frame_names: names of the frames, if these are files.

    Raises QueryError or SourceError.
    """
    return starts_in_order(parsed.prompts, frame_names)


def tracking_summary(
    frames: int, seconds: float, masks: Mapping[int, int], poses: Mapping[int, int] | None = None
) -> str:
    """The frame rate, and in how many frames each object has a mask, in words that begin with "; ".

    A single frame has no rate, as starting objects is not counted.

    poses: number of frames in which each object has a pose; None: there is no depth
    """
    counts = [
        f"object {object_id} has a mask in {count}"
        + ("" if poses is None else f" and a pose in {poses.get(object_id, 0)}")
        for object_id, count in masks.items()
    ]
    rate = [f"tracking alone ran at {frames / max(seconds, 1e-9):.1f} frames/s"] if frames > 1 else []
    return "".join(f"; {part}" for part in (*rate, ", ".join(counts)) if part)


def config(parsed: argparse.Namespace) -> SamPtConfig:
    """The configuration given by --preset and --set; raises ConfigError."""
    return load_preset(parsed.preset, settings(parsed.set))


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` pairs as parameters, the values read as YAML scalars; raises ConfigError."""
    values = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not (name and separator):
            raise ConfigError(f"--set: expected NAME=VALUE, such as reinit.horizon=16; got {pair!r}")
        try:
            values[name] = read_yaml(value)
        except ConfigError as error:
            raise ConfigError(f"--set {name}: expected a YAML value; got {value!r}: {error}") from None
    return values


def words(text: str) -> list[str]:
    """An argument that is a comma-separated list of words; argparse reports the ArgumentTypeError."""
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise argparse.ArgumentTypeError(f"expected names, separated by commas; got {text!r}")
    return found


def source(text: str) -> str:
    """An argument that is a path or an address; argparse reports the ArgumentTypeError.

    An empty one, such as "$FOLDER" if that is not set, would be the working folder.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a file or folder; got {text!r}")
    return text


def path(text: str) -> Path:
    """An argument that is the path of a file or folder; argparse reports the ArgumentTypeError."""
    return Path(source(text))


def count(text: str) -> int:
    """An argument that is a positive whole number; argparse reports the ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on; got {text!r}")
    return int(text)


def frame_number(text: str) -> int:
    """An argument that is a frame number, from 0; argparse reports the ArgumentTypeError."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a frame's number, from 0 on; got {text!r}")
    return int(text)


def counts(text: str) -> list[int]:
    """An argument that is a comma-separated list of positive whole numbers."""
    return [count(word) for word in text.split(",")]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, creating its folder if needed; raises SourceError."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")
