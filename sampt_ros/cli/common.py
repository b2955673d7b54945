"""What the subcommands share: how they are added, the configuration, arguments that are numbers, JSON files."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sampt_ros.cli.options.prompts import MASKS, PROMPT_OPTIONS, START, starts_in_order
from sampt_ros.config.core import SamPtConfig
from sampt_ros.config.presets import load_preset
from sampt_ros.errors import ConfigError, SamPtError
from sampt_ros.streaming.requests import ObjectStart


def add_command(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, details: str
) -> argparse.ArgumentParser:
    """Add a command that calls `run` with the parsed arguments; `details` are the end of its help."""
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
    """Keeps option and value in `prompts`, in the order given, since --start goes for what follows it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.prompts = (*namespace.prompts, (self.dest, values))


def add_prompts(parser: argparse.ArgumentParser, masks: bool = False) -> None:
    """Add the PROMPT_OPTIONS, as `starts` takes them; masks: whether to add --masks, too."""
    parser.set_defaults(prompts=())
    for option in PROMPT_OPTIONS:
        if masks or option.name != MASKS:
            parser.add_argument(
                f"--{option.name}",
                action=Prompt,
                default=argparse.SUPPRESS,
                type=frame_number if option.name == START else str,
                metavar=option.form,
                help=option.description,
            )


def has_prompts(parsed: argparse.Namespace) -> bool:
    """Whether anything says what to track."""
    return any(name != START for name, _ in parsed.prompts)


def starts(parsed: argparse.Namespace, frame_names: Sequence[str] = ()) -> dict[int, ObjectStart]:
    """What the prompts say; frame_names: of the frames, if these are files. Raises QueryError or SourceError."""
    return starts_in_order(parsed.prompts, frame_names)


def tracked(frames: int, seconds: float, masks: Mapping[int, int]) -> str:
    """What tracking came to, in words: its rate, and in how many frames each object has a mask."""
    counts = [f"object {name} has a mask in {count}" for name, count in masks.items()]
    return "; ".join([f"tracking alone ran at {frames / max(seconds, 1e-9):.1f} frames/s", ", ".join(counts)])


def config(parsed: argparse.Namespace) -> SamPtConfig:
    """What --preset and --set say; raises ConfigError."""
    return load_preset(parsed.preset, settings(parsed.set))


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """`NAME=VALUE` pairs as parameters, the values read as YAML scalars; raises ConfigError."""
    read = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not (name and separator):
            raise ConfigError(f"--set: expected NAME=VALUE, such as reinit.horizon=16; got {pair!r}")
        try:
            read[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {name}: expected a YAML value; got {value!r}") from None
    return read


def words(text: str) -> list[str]:
    """An argument that is words with commas between."""
    return [word for word in text.split(",") if word]


def count(text: str) -> int:
    """An argument that is a whole number from 1 on; argparse reports the ArgumentTypeError."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on; got {text!r}")
    return int(text)


def frame_number(text: str) -> int:
    """An argument that is a frame's number, from 0 on; argparse reports the ArgumentTypeError."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a frame's number, from 0 on; got {text!r}")
    return int(text)


def counts(text: str) -> list[int]:
    """An argument that is such numbers with commas between."""
    return [count(word) for word in text.split(",")]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file and the folders above it; raises SamPtError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise SamPtError(f"cannot write {path}: {error.strerror}") from None
