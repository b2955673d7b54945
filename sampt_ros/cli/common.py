"""What the subcommands share: how they are added, the configuration, arguments that are numbers, JSON files."""

from __future__ import annotations

import argparse
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sampt_ros.cli.options.prompts import starts_in_order
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


def add_prompts(parser: argparse.ArgumentParser, masks: bool = False, file: Callable[[str], Path | str] = Path) -> None:
    """Add --point, --box, --mask, --reference, --reference-mask, --query-points and --start, as `starts` takes them.

    masks  whether to add --masks, too
    file   makes the values of what is a file or folder
    """
    parser.set_defaults(prompts=())

    def argument(name: str, **options: Any) -> None:
        parser.add_argument(name, action=Prompt, default=argparse.SUPPRESS, **options)

    argument("--point", metavar="X,Y[,LABEL][,OBJECT]", help="LABEL 1: on the object, 0: off it")
    argument("--box", metavar="X_MIN,Y_MIN,X_MAX,Y_MAX[,OBJECT]", help="a box around an object")
    argument(
        "--mask",
        metavar="FILE[,OBJECT]",
        help="white on the object, or labels, each an object with the label as its number; with OBJECT all is that one",
    )
    argument(
        "--reference",
        metavar="IMAGE",
        help="a picture of an object, which is then looked for without a click; with --reference-mask",
    )
    argument(
        "--reference-mask",
        metavar="FILE[,OBJECT]",
        help="the object in that picture, as for --mask",
    )
    argument(
        "--query-points",
        type=file,
        metavar="FILE",
        help="points as SAM-PT's demo reads them: how many are positive, then FRAME;X,Y X,Y ... for each object",
    )
    if masks:
        argument(
            "--masks",
            type=file,
            metavar="FOLDER",
            help="masks, as for --mask, with the names of their frames (for a video: numbers, as 00012.png); each "
            "object starts in the first frame that shows it",
        )
    argument(
        "--start",
        type=frame_number,
        metavar="FRAME",
        help="the prompts after this one lie in that frame, counted from 0, and their objects start there (default: 0)",
    )


def has_prompts(parsed: argparse.Namespace) -> bool:
    """Whether anything says what to track."""
    return any(name != "start" for name, _ in parsed.prompts)


def starts(parsed: argparse.Namespace, frame_names: Sequence[str] = ()) -> dict[int, ObjectStart]:
    """What the prompts say; frame_names: of the frames, if these are files. Raises QueryError or SourceError."""
    return starts_in_order(parsed.prompts, frame_names)


def tracked(frames: int, seconds: float, masks: Mapping[int, int], poses: Mapping[int, int] | None = None) -> str:
    """What tracking came to, in words: its rate, and in how many frames each object has a mask.

    poses: in how many each has a pose; None: there is no depth
    """
    counts = [
        f"object {name} has a mask in {count}" + ("" if poses is None else f" and a pose in {poses.get(name, 0)}")
        for name, count in masks.items()
    ]
    rate = f"tracking alone ran at {frames / max(seconds, 1e-9):.1f} frames/s"
    return "; ".join([rate, ", ".join(counts)] if counts else [rate])


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
