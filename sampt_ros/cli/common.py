"""What the subcommands share: how they are added, the configuration, arguments that are numbers, JSON files."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sampt_ros.cli.prompts import parse_starts
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


def add_prompts(parser: argparse.ArgumentParser) -> None:
    """Add --point, --box, --mask, --reference, --reference-mask and --query-points, as `starts` takes them."""
    argument = parser.add_argument
    argument(
        "--point", action="append", default=[], metavar="X,Y[,LABEL][,OBJECT]", help="LABEL 1: on the object, 0: off it"
    )
    argument(
        "--box", action="append", default=[], metavar="X_MIN,Y_MIN,X_MAX,Y_MAX[,OBJECT]", help="a box around an object"
    )
    argument(
        "--mask",
        action="append",
        default=[],
        metavar="FILE[,OBJECT]",
        help="white on the object, or labels, each an object with the label as its number; with OBJECT all is that one",
    )

    argument(
        "--reference",
        action="append",
        default=[],
        metavar="IMAGE",
        help="a picture of an object, which is then looked for without a click; with --reference-mask",
    )
    argument(
        "--reference-mask",
        action="append",
        default=[],
        metavar="FILE[,OBJECT]",
        help="the object in that picture, as for --mask",
    )
    argument(
        "--query-points",
        action="append",
        type=Path,
        default=[],
        metavar="FILE",
        help="points as SAM-PT's demo reads them: how many are positive, then FRAME;X,Y X,Y ... for each object",
    )


def has_prompts(parsed: argparse.Namespace) -> bool:
    """Whether anything says what to track."""
    return any((parsed.point, parsed.box, parsed.mask, parsed.reference, parsed.reference_mask, parsed.query_points))


def starts(parsed: argparse.Namespace) -> dict[int, ObjectStart]:
    """What the prompts say; raises QueryError or SourceError."""
    return parse_starts(
        parsed.point, parsed.box, parsed.mask, parsed.reference, parsed.reference_mask, parsed.query_points
    )


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
